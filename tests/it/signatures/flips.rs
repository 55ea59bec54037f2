//! What the real cosign once wrote counts as it is, and with any byte of it changed it does not.

use crate::fuzz_corpus::signature::{BUNDLE, PAYLOAD, SIGNATURE, bundle_counts, payload_counts};

/// Every bit, and bytes that JSON or base64 could take for something else.
fn each_change(bytes: &[u8], mut counts: impl FnMut(&[u8]) -> bool) {
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        let bits = (0..8).map(|bit| bytes[at] ^ (1 << bit));
        for byte in bits.chain(*b" A0/\"\\}\0") {
            changed[at] = byte;
            if byte != bytes[at] {
                assert!(
                    !counts(&changed),
                    "byte {at} as {byte:#x}: {}",
                    String::from_utf8_lossy(&changed)
                );
            }
        }
        changed[at] = bytes[at];
        assert!(!counts(&bytes[..at]), "cut at {at}");
        let mut without = bytes.to_vec();
        without.remove(at);
        assert!(!counts(&without), "without byte {at}");
    }
}

#[test]
fn every_byte_of_a_bundle_counts() {
    assert!(bundle_counts(BUNDLE.as_bytes()));
    each_change(BUNDLE.as_bytes(), bundle_counts);
}

#[test]
fn every_byte_of_a_payload_and_of_its_signature_counts() {
    assert!(payload_counts(PAYLOAD.as_bytes(), SIGNATURE));
    each_change(PAYLOAD.as_bytes(), |payload| {
        payload_counts(payload, SIGNATURE)
    });
    each_change(SIGNATURE.as_bytes(), |signature| {
        let signature = String::from_utf8_lossy(signature);
        payload_counts(PAYLOAD.as_bytes(), &signature)
    });
}
