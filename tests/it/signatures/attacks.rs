//! What does not count: each is refused before the stop with a reason that names it, the old container untouched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dreichor_test_support::images;
use serde_json::{Value, json};

use super::signer::{
    self, BUNDLE, PAYLOAD_TYPE, SIMPLE, Signer, attach, attach_simple, attach_simple_layers,
    fallback_tag, simple, statement,
};
use super::{enforcing, refused, running_signed};
use crate::harness::{Agent, Kind, World};

/// What an attack changes in something that would count.
type Change = fn(&mut Value);

struct Siege {
    world: World,
    signer: Signer,
    agent: Agent,
    attacks: usize,
}

impl Siege {
    fn lay() -> Self {
        let mut world = World::new(Kind::Fake);
        let signer = Signer::new();
        enforcing(&mut world, &signer);
        let (agent, _) = running_signed(&world, &signer);
        Self {
            world,
            signer,
            agent,
            attacks: 0,
        }
    }

    /// An image that nobody has signed: its tag and its digest.
    fn image(&mut self) -> (String, String) {
        self.attacks += 1;
        let tag = format!("2.0.{}", self.attacks);
        let digest = self.world.push_runtime(&tag).digest;
        (tag, digest)
    }

    fn refused(&self, tag: &str, words: &str) {
        refused(&self.world, &self.agent, tag, 422, &[words]);
    }

    /// A bundle, as text.
    fn bundle(&mut self, words: &str, make: impl FnOnce(&Self, &str, &str) -> String) {
        let (tag, digest) = self.image();
        let bundle = make(self, &tag, &digest);
        attach(&self.world, &digest, &[bundle]);
        self.refused(&tag, words);
    }

    /// A statement that our own key has signed.
    fn statement(&mut self, words: &str, change: impl FnOnce(&mut Value)) {
        self.bundle(words, |siege, tag, digest| {
            let mut statement = statement(digest, tag, "dev");
            change(&mut statement);
            siege.signer.bundle(&statement).to_string()
        });
    }

    /// A payload in the older form that our own key has signed.
    fn payload(&mut self, words: &str, change: impl FnOnce(&mut Value)) {
        self.payload_text(words, |payload| {
            let mut payload = payload;
            change(&mut payload);
            payload.to_string()
        });
    }

    fn payload_text(&mut self, words: &str, make: impl FnOnce(Value) -> String) {
        let (tag, digest) = self.image();
        let payload = make(simple(&self.world.repository, &digest, &tag, "dev"));
        let signature = self.signer.signature(payload.as_bytes());
        attach_simple(&self.world, &digest, &[(payload, signature)]);
        self.refused(&tag, words);
    }
}

#[test]
fn no_signature_and_a_signature_of_another_tag_that_has_one() {
    let mut siege = Siege::lay();
    let (tag, digest) = siege.image();
    siege.refused(&tag, &format!("the registry has no signature of {digest}"));
    // The signature of the image that runs, of another digest, moved to this one.
    let (_, signed) = siege.image();
    let bundle = siege.signer.bundle(&statement(&signed, &tag, "dev"));
    attach(&siege.world, &digest, &[bundle.to_string()]);
    siege.refused(
        &tag,
        &format!("it is for {signed}, and {digest} was pulled"),
    );
    let payload = simple(&siege.world.repository, &signed, &tag, "dev").to_string();
    let signature = siege.signer.signature(payload.as_bytes());
    let (tag, digest) = siege.image();
    attach_simple(&siege.world, &digest, &[(payload, signature)]);
    siege.refused(
        &tag,
        &format!("it is for {signed}, and {digest} was pulled"),
    );
}

#[test]
fn another_key_and_a_key_that_comes_with_the_signature() {
    let mut siege = Siege::lay();
    let other = Signer::new();
    let by_another = "no key of SIGNATURE_KEYS made it";
    siege.bundle(by_another, |_, tag, digest| {
        other.bundle(&statement(digest, tag, "dev")).to_string()
    });
    // It says that our key made it.
    siege.bundle(by_another, |siege, tag, digest| {
        let mut bundle = other.bundle(&statement(digest, tag, "dev"));
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(siege.signer.hint());
        bundle.to_string()
    });
    // Ours, and it says that another made it.
    siege.bundle(by_another, |siege, tag, digest| {
        let mut bundle = siege.signer.bundle(&statement(digest, tag, "dev"));
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(other.hint());
        bundle.to_string()
    });
    let materials = [
        json!({ "publicKey": { "hint": "", "rawBytes": STANDARD.encode(other.pem()) } }),
        json!({ "certificate": { "rawBytes": "AAAA" } }),
        json!({ "x509CertificateChain": { "certificates": [] } }),
    ];
    for material in materials {
        siege.bundle("it brings a key of its own", |_, tag, digest| {
            let mut bundle = other.bundle(&statement(digest, tag, "dev"));
            bundle["verificationMaterial"] = material;
            bundle.to_string()
        });
    }
    let (tag, digest) = siege.image();
    let payload = simple(&siege.world.repository, &digest, &tag, "dev").to_string();
    let signature = other.signature(payload.as_bytes());
    attach_simple(
        &siege.world,
        &digest,
        &[(payload.clone(), signature.clone())],
    );
    siege.refused(&tag, by_another);
    siege.world.registry.attach_blob(payload.as_bytes());
    let annotations = json!({
        "dev.cosignproject.cosign/signature": signature,
        "dev.sigstore.cosign/certificate": other.pem(),
    });
    let layer = json!({
        "mediaType": SIMPLE,
        "size": payload.len(),
        "digest": images::digest(payload.as_bytes()),
        "annotations": annotations,
    });
    attach_simple_layers(&siege.world, &digest, &json!([layer]));
    siege.refused(&tag, "it brings a key of its own");
}

#[test]
fn another_repository() {
    let mut siege = Siege::lay();
    siege.payload(
        "it is for the repository ghcr.io/other/runtime",
        |payload| {
            payload["critical"]["identity"]["docker-reference"] = json!("ghcr.io/other/runtime");
        },
    );
    siege.payload("it is for the repository empty", |payload| {
        payload["critical"]["identity"]["docker-reference"] = json!("");
    });
    // A bundle names none, unless the pipeline says which.
    siege.statement(
        "it is for the repository ghcr.io/other/runtime",
        |statement| {
            statement["subject"][0]["annotations"]["repository"] = json!("ghcr.io/other/runtime");
        },
    );
    siege.statement(
        "it is for the repository ghcr.io/other/runtime",
        |statement| {
            statement["subject"][0]["name"] = json!("ghcr.io/other/runtime");
        },
    );
    // Signed in a repository beside ours, by our key; the registry shows it there and nowhere else.
    let (tag, digest) = siege.image();
    let bundle = siege
        .signer
        .bundle(&statement(&digest, &tag, "dev"))
        .to_string();
    let world = &siege.world;
    let manifest = signer::bundle_manifest(world, &digest, BUNDLE, bundle.as_bytes());
    let index = signer::list(world, &[manifest]);
    let beside = format!("{}/beside", world.repository_path());
    let fallback = fallback_tag(&digest);
    world
        .registry
        .attach(&beside, Some(&fallback), images::INDEX, &index);
    siege.refused(&tag, "the registry has no signature");
}

#[test]
fn other_types_by_the_right_key() {
    let mut siege = Siege::lay();
    let statements: [(&str, Change); 5] = [
        ("its predicate type is https://spdx.dev/Document", |it| {
            it["predicateType"] = json!("https://spdx.dev/Document");
        }),
        (
            "its predicate type is https://slsa.dev/provenance/v1",
            |it| {
                it["predicateType"] = json!("https://slsa.dev/provenance/v1");
            },
        ),
        (
            "its statement type is https://in-toto.io/Statement/v0.1",
            |it| {
                it["_type"] = json!("https://in-toto.io/Statement/v0.1");
            },
        ),
        (
            "its statement cannot be read: unknown field `expires`",
            |it| {
                it["expires"] = json!("2020-01-01");
            },
        ),
        (
            "its statement cannot be read: missing field `predicateType`",
            |it| {
                it.as_object_mut()
                    .expect("an object")
                    .remove("predicateType");
            },
        ),
    ];
    for (words, change) in statements {
        siege.statement(words, change);
    }
    let bundles: [(&str, Change); 4] = [
        (
            "its media type is application/vnd.dev.sigstore.bundle.v0.2+json",
            |it| {
                it["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.2+json");
            },
        ),
        ("it holds no statement", |it| {
            let all = it.as_object_mut().expect("an object");
            all.remove("dsseEnvelope");
            all.insert("messageSignature".into(), json!({ "signature": "AAAA" }));
        }),
        ("it holds 2 signatures, not one", |it| {
            let signatures = it["dsseEnvelope"]["signatures"].as_array_mut();
            let signatures = signatures.expect("a list");
            signatures.push(signatures[0].clone());
        }),
        ("it holds 0 signatures, not one", |it| {
            it["dsseEnvelope"]["signatures"] = json!([])
        }),
    ];
    for (words, change) in bundles {
        siege.bundle(words, |siege, tag, digest| {
            let mut bundle = siege.signer.bundle(&statement(digest, tag, "dev"));
            change(&mut bundle);
            bundle.to_string()
        });
    }
    siege.bundle(
        "its payload type is application/json",
        |siege, tag, digest| {
            let payload = statement(digest, tag, "dev").to_string();
            siege
                .signer
                .envelope("application/json", payload.as_bytes())
                .to_string()
        },
    );
    // The payload of the other form in an envelope.
    siege.bundle("its statement cannot be read", |siege, tag, digest| {
        let payload = simple(&siege.world.repository, digest, tag, "dev").to_string();
        siege
            .signer
            .envelope(PAYLOAD_TYPE, payload.as_bytes())
            .to_string()
    });
    siege.payload(
        "its payload type is atomic container signature",
        |payload| {
            payload["critical"]["type"] = json!("atomic container signature");
        },
    );
    siege.payload(
        "its payload cannot be read: unknown field `expires`",
        |payload| {
            payload["critical"]["expires"] = json!(0);
        },
    );
    // An SBOM, and layers that call themselves something else.
    let (tag, digest) = siege.image();
    for kind in ["application/spdx+json", "text/plain"] {
        let manifest = signer::bundle_manifest(
            &siege.world,
            &digest,
            kind,
            b"{\"spdxVersion\":\"SPDX-2.3\"}",
        );
        let index = signer::list(&siege.world, &[manifest]);
        let path = siege.world.repository_path();
        let fallback = fallback_tag(&digest);
        siege
            .world
            .registry
            .attach(path, Some(&fallback), images::INDEX, &index);
        siege.refused(&tag, &format!("it is no signature but {kind}"));
    }
    let (tag, digest) = siege.image();
    let layer = json!({ "mediaType": "application/vnd.dsse.envelope.v1+json", "size": 2, "digest": images::digest(b"{}") });
    attach_simple_layers(&siege.world, &digest, &json!([layer]));
    siege.refused(
        &tag,
        "it is no signature but application/vnd.dsse.envelope.v1+json",
    );
}

#[test]
fn other_subjects() {
    let mut siege = Siege::lay();
    siege.statement("it names 2 subjects, not one", |statement| {
        let subjects = statement["subject"].as_array_mut().expect("a list");
        subjects.push(subjects[0].clone());
    });
    siege.statement("it names 0 subjects, not one", |statement| {
        statement["subject"] = json!([]);
    });
    siege.statement("it is for sha512:00", |statement| {
        statement["subject"][0]["digest"] = json!({ "sha512": "00" });
    });
    siege.statement("was pulled", |statement| {
        statement["subject"][0]["digest"]["sha512"] = json!("00");
    });
    siege.statement("was pulled", |statement| {
        let digest = &mut statement["subject"][0]["digest"]["sha256"];
        *digest = json!(digest.as_str().expect("text").to_uppercase());
    });
}

#[test]
fn annotations_of_another_deploy_missing_twice_or_of_another_type() {
    let mut siege = Siege::lay();
    let changes: [(&str, Change); 9] = [
        ("its annotation `tag` is 9.9.9, not 2.0.", |it| {
            it["tag"] = json!("9.9.9")
        }),
        ("its annotation `environment` is prod, not dev", |it| {
            it["environment"] = json!("prod")
        }),
        ("its annotation `environment` is DEV, not dev", |it| {
            it["environment"] = json!("DEV")
        }),
        ("it has no annotation `tag`", |it| {
            *it = json!({ "environment": "dev", "Tag": "2.0.0" })
        }),
        ("it has no annotation `environment`", |it| {
            it.as_object_mut().expect("an object").remove("environment");
        }),
        ("it has no annotation `tag`", |it| *it = json!({})),
        ("it has no annotation `tag`", |it| *it = Value::Null),
        ("its annotation `tag` is [\"", |it| {
            it["tag"] = json!([it["tag"]])
        }),
        ("its annotation `tag` is ", |it| {
            it["tag"] = json!(format!("{} ", it["tag"].as_str().expect("text")))
        }),
    ];
    for (words, change) in changes {
        siege.statement(words, |statement| {
            change(&mut statement["subject"][0]["annotations"])
        });
        siege.payload(words, |payload| change(&mut payload["optional"]));
    }
    // Where cosign does not write them they do not count.
    siege.statement("it has no annotation `tag`", |statement| {
        statement["predicate"] = statement["subject"][0]["annotations"].take();
    });
    let twice =
        |json: &str| json.replacen("\"environment\":", "\"tag\":\"9.9.9\",\"environment\":", 1);
    siege.bundle("the key `tag` is there twice", |siege, tag, digest| {
        let payload = twice(&statement(digest, tag, "dev").to_string());
        siege
            .signer
            .envelope(PAYLOAD_TYPE, payload.as_bytes())
            .to_string()
    });
    siege.payload_text("the key `tag` is there twice", |payload| {
        twice(&payload.to_string())
    });
}

#[test]
fn json_that_can_be_read_in_two_ways() {
    let mut siege = Siege::lay();
    let add = |json: &str, key: &str, value: &str| {
        json.replacen('{', &format!("{{\"{key}\":{value},"), 1)
    };
    for (key, value) in [
        ("mediaType", "\"x\""),
        ("dsseEnvelope", "null"),
        ("verificationMaterial", "{}"),
    ] {
        siege.bundle(
            &format!("the key `{key}` is there twice"),
            |siege, tag, digest| {
                let bundle = siege.signer.bundle(&statement(digest, tag, "dev"));
                add(&bundle.to_string(), key, value)
            },
        );
    }
    for (key, written) in [
        ("subject", "subject"),
        ("predicateType", "predicate\\u0054ype"),
        ("_type", "\\u005ftype"),
    ] {
        siege.bundle(
            &format!("the key `{key}` is there twice"),
            |siege, tag, digest| {
                let payload = add(&statement(digest, tag, "dev").to_string(), written, "\"x\"");
                siege
                    .signer
                    .envelope(PAYLOAD_TYPE, payload.as_bytes())
                    .to_string()
            },
        );
    }
    siege.payload_text("the key `critical` is there twice", |payload| {
        add(&payload.to_string(), "critical", "{}")
    });
    siege.payload_text("its payload cannot be read", |payload| {
        format!("{payload}{payload}")
    });
    // The manifest that leads to it.
    let (tag, digest) = siege.image();
    let bundle = siege
        .signer
        .bundle(&statement(&digest, &tag, "dev"))
        .to_string();
    let manifest = signer::bundle_manifest(&siege.world, &digest, BUNDLE, bundle.as_bytes());
    let manifest = add(&String::from_utf8(manifest).expect("text"), "layers", "[]");
    let index = signer::list(&siege.world, &[manifest.into_bytes()]);
    let path = siege.world.repository_path().to_owned();
    let fallback = fallback_tag(&digest);
    siege
        .world
        .registry
        .attach(&path, Some(&fallback), images::INDEX, &index);
    siege.refused(&tag, "the key `layers` is there twice");
    let index = add(&String::from_utf8(index).expect("text"), "manifests", "[]");
    siege
        .world
        .registry
        .attach(&path, Some(&fallback), images::INDEX, index.as_bytes());
    siege.refused(&tag, "the key `manifests` is there twice");
}

#[test]
fn truncated_oversized_too_many_and_not_what_they_say() {
    let mut siege = Siege::lay();
    siege.bundle("its bundle cannot be read: EOF", |siege, tag, digest| {
        let mut bundle = siege
            .signer
            .bundle(&statement(digest, tag, "dev"))
            .to_string();
        bundle.truncate(bundle.len() / 2);
        bundle
    });
    siege.payload_text("its payload cannot be read: EOF", |payload| {
        let mut payload = payload.to_string();
        payload.truncate(payload.len() / 2);
        payload
    });
    siege.bundle("its bundle cannot be read: EOF", |_, _, _| String::new());
    siege.bundle("is larger than 256 KiB", |siege, tag, digest| {
        let bundle = siege.signer.bundle(&statement(digest, tag, "dev"));
        format!("{bundle}{}", " ".repeat(256 * 1024))
    });
    siege.payload_text("is larger than 256 KiB", |payload| {
        format!("{payload}{}", " ".repeat(256 * 1024))
    });
    for (what, signature) in [("payload", "payload"), ("signature", "sig")] {
        siege.bundle(
            &format!("its {what} is not base64"),
            |siege, tag, digest| {
                let mut bundle = siege.signer.bundle(&statement(digest, tag, "dev"));
                let envelope = &mut bundle["dsseEnvelope"];
                let text = match signature {
                    "payload" => &mut envelope["payload"],
                    _ => &mut envelope["signatures"][0]["sig"],
                };
                *text = json!(format!("{}*", text.as_str().expect("text")));
                bundle.to_string()
            },
        );
    }
    // A list that never ends, and one that is none.
    let (tag, digest) = siege.image();
    let bundle = siege
        .signer
        .bundle(&statement(&digest, &tag, "dev"))
        .to_string();
    let mut many: Vec<String> = (0..64).map(|number| format!("{{{number}")).collect();
    many.insert(0, bundle);
    attach(&siege.world, &digest, &many);
    siege.refused(&tag, "more than 64 things are attached");
    let layer = json!({ "mediaType": SIMPLE, "size": 2, "digest": images::digest(b"{}") });
    let (tag, digest) = siege.image();
    attach_simple_layers(&siege.world, &digest, &json!(vec![layer; 65]));
    siege.refused(&tag, "more than 64 things are attached");
    let path = siege.world.repository_path().to_owned();
    let listed = |siege: &mut Siege, kind: &str, bytes: &[u8], words: &str| {
        let (tag, digest) = siege.image();
        let fallback = fallback_tag(&digest);
        siege
            .world
            .registry
            .attach(&path, Some(&fallback), kind, bytes);
        siege.refused(&tag, words);
    };
    let large = format!("{{\"manifests\":[]{}}}", " ".repeat(256 * 1024));
    listed(
        &mut siege,
        images::INDEX,
        large.as_bytes(),
        "the list of signatures is larger than 256 KiB",
    );
    listed(
        &mut siege,
        images::INDEX,
        b"{\"manifests\":",
        "its list cannot be read",
    );
    listed(
        &mut siege,
        images::MANIFEST,
        b"{\"layers\":[]}",
        "is no list of signatures but",
    );
}

/// Whoever holds the registry moves the tag between the pull and the question: the digest that was pulled is asked for.
#[test]
fn a_registry_that_swaps_the_manifest_between_pull_and_question() {
    let mut siege = Siege::lay();
    let (tag, digest) = siege.image();
    let signed = siege.world.push_runtime("signed");
    siege.signer.sign(&siege.world, &tag, &signed.digest);
    let fake = siege.world.fake.as_ref().expect("the fake engine");
    let gate = fake
        .controls()
        .gate_after(dreichor_test_support::fake_engine::Verb::ImagePull);
    let (world, agent) = (&siege.world, &siege.agent);
    let old = world.identity();
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&world.image(&tag)));
        assert!(gate.reached_within(std::time::Duration::from_secs(20)));
        world.registry.put(world.repository_path(), &tag, &signed);
        gate.release();
        deploy.join().expect("answered")
    });
    assert_eq!(answer.status, 422, "{}", answer.body);
    let words = format!("no signature of {digest}");
    assert!(answer.reason().contains(&words), "{}", answer.body);
    assert_eq!(world.identity(), old);
}
