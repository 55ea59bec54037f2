//! What is signed by the right key and is no release: other types, subjects, annotations.

use dreichor_test_support::images;
use serde_json::{Value, json};

use super::{Change, Siege};
use crate::signatures::signer::{
    self, PAYLOAD_TYPE, attach_simple_layers, fallback_tag, simple, statement,
};

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
