//! Whether what was pulled is signed as `SIGNATURE_POLICY` demands; asked between the pull and the stop.

use std::time::Duration;

use super::deps::OperationDeps;
use super::failure::StepError;
use super::step::Run;
use crate::audit::{SignatureRecord, SignatureVerdict};
use crate::engine::PulledImage;
use crate::registry::{RegistryError, Way, ask_for_signature};
use crate::settings::SIGNATURE_LIMIT;
use crate::signature::{Expected, SignaturePolicy, Verdict};

/// What the time that is left allows for the question.
pub(super) fn limit(run: &Run<'_>) -> Duration {
    let reserve = run.deps.limits.reserve_after_verify();
    run.left_but(reserve).min(SIGNATURE_LIMIT)
}

/// Asks the registry, if the policy wants to know, for a signature of the digest that was pulled: the container is
/// created by it. Where the policy only warns, what is missing is logged, recorded and let through, also a registry that
/// does not answer.
pub(super) async fn signed(
    deps: &OperationDeps,
    operation: &str,
    pulled: &PulledImage,
    limit: Duration,
) -> Result<Option<SignatureRecord>, StepError> {
    let settings = &deps.signatures;
    if !settings.is_on() {
        return Ok(None);
    }
    let expected = Expected {
        image: &pulled.reference,
        digest: &pulled.digest,
        environment: deps.environment,
    };
    let way = Way {
        docker_config: deps.docker_config.as_deref(),
        proxy: &deps.proxy,
    };
    let asked = ask_for_signature(&way, &settings.keys, &expected, limit).await;
    let record = record(settings.policy, &asked);
    let Some(detail) = &record.detail else {
        log::info!("operation={operation} signature: {}", shown(&record));
        return Ok(Some(record));
    };
    match settings.policy {
        SignaturePolicy::Off | SignaturePolicy::Warn => {
            log::warn!(
                "operation={operation} the image is deployed without an accepted signature: {detail}"
            );
            Ok(Some(record))
        }
        SignaturePolicy::Enforce => Err(StepError::Signature {
            deadline: matches!(&asked, Err(error) if error.is_deadline()),
            record: Box::new(record),
        }),
    }
}

fn record(policy: SignaturePolicy, asked: &Result<Verdict, RegistryError>) -> SignatureRecord {
    let (verdict, key, form, detail) = match asked {
        Ok(Verdict::Signed { key, form }) => (
            SignatureVerdict::Signed,
            Some(key.to_string()),
            Some(form.as_str()),
            None,
        ),
        Ok(Verdict::NotSigned(why)) => (
            SignatureVerdict::NotSigned,
            None,
            None,
            Some(format!(
                "the image is not signed as SIGNATURE_POLICY demands: {why}"
            )),
        ),
        Err(error) => (
            SignatureVerdict::Unanswered,
            None,
            None,
            Some(format!("whether the image is signed is not known: {error}")),
        ),
    };
    SignatureRecord {
        policy: policy.as_str(),
        verdict,
        key,
        form,
        detail,
    }
}

fn shown(record: &SignatureRecord) -> String {
    let key = record.key.as_deref().unwrap_or("nobody");
    format!("{} by {key}", record.form.unwrap_or("none"))
}
