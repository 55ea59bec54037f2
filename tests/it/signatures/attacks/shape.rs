//! JSON with two meanings, what is cut, too large or too much.

use dreichor_test_support::images;
use serde_json::json;

use super::Siege;
use crate::signatures::signer::{
    self, BUNDLE, PAYLOAD_TYPE, SIMPLE, attach, attach_simple_layers, fallback_tag, statement,
};

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
