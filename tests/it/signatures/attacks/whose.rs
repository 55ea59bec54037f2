//! Who signed, and for what: another key, another digest, another repository, a tag that moves meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dreichor_test_support::images;
use serde_json::json;

use super::Siege;
use crate::signatures::signer::{
    self, BUNDLE, SIMPLE, Signer, attach, attach_simple, attach_simple_layers, fallback_tag,
    simple, statement,
};

#[test]
fn no_signature_and_a_signature_of_another_digest() {
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
