//! The checks in their order, and the one place that decides.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::assertion::Verifier;
use super::key_cache::{KeyCache, KeyRefresher, RefreshPolicy};
use super::presented::{ASSERTION, CLIENT_ID, CLIENT_SECRET};
use super::{AccessSettings, Admitted, AssertionFault, Denied, Header, Presented};

/// The access checks of this agent. Cheap to clone; shared by all workers.
#[derive(Debug, Clone)]
pub struct Access {
    settings: Arc<AccessSettings>,
    assertion: Option<Arc<AssertionCheck>>,
}

#[derive(Debug)]
struct AssertionCheck {
    verifier: Verifier,
    keys: Arc<KeyCache>,
}

impl Access {
    /// The checks that these settings ask for. Nothing is fetched yet: see [`Access::key_refresher`].
    pub fn new(settings: AccessSettings) -> Self {
        Self::with_refresh_policy(settings, RefreshPolicy::default())
    }

    /// Like [`Access::new`], with other times for the key set than Cloudflare's endpoint asks for.
    pub fn with_refresh_policy(settings: AccessSettings, policy: RefreshPolicy) -> Self {
        let assertion = settings.assertion.as_ref().map(|assertion| {
            Arc::new(AssertionCheck {
                verifier: Verifier::new(assertion),
                keys: Arc::new(KeyCache::new(assertion.keys.clone(), policy)),
            })
        });
        Self {
            settings: Arc::new(settings),
            assertion,
        }
    }

    /// The task that keeps the key set fresh. `None` when no assertion is checked, and after the first
    /// call: run it once, with [`super::run_key_refresher`], for as long as requests are served.
    pub fn key_refresher(&self) -> Option<KeyRefresher> {
        self.assertion
            .as_ref()
            .and_then(|assertion| assertion.keys.refresher())
    }

    /// Decides at once, with the keys at hand. Never blocks, never waits. Allocates nothing unless an
    /// assertion is checked.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn check<'a>(
        &self,
        presented: &Presented<'a>,
        now: SystemTime,
    ) -> Result<Admitted<'a>, Denied> {
        let (client_id, pinned) = self.check_token(presented)?;
        let common_name = match &self.assertion {
            Some(check) => Some(self.check_assertion(check, presented, client_id, now)?),
            None => None,
        };
        Ok(Admitted {
            client_id,
            common_name,
            pinned,
        })
    }

    /// Like [`Access::check`], but an assertion whose key is not at hand waits, a few seconds at most, for
    /// the key set to be fetched again. For every other request it does not yield.
    ///
    /// Cancel-safe: the fetch belongs to the refresher and goes on without the caller.
    ///
    /// # Errors
    /// The first check that failed.
    pub async fn admit<'a>(
        &self,
        presented: &Presented<'a>,
        now: SystemTime,
    ) -> Result<Admitted<'a>, Denied> {
        let first = self.check(presented, now);
        let wants_keys = matches!(
            first,
            Err(Denied::KeysUnavailable | Denied::BadAssertion(AssertionFault::UnknownKey))
        );
        match &self.assertion {
            Some(check) if wants_keys => {
                let asked = Instant::now();
                check.keys.ask_again().await;
                self.check(presented, now + asked.elapsed())
            }
            _ => first,
        }
    }

    /// The two headers: there, and a pinned token when tokens are pinned.
    fn check_token<'a>(
        &self,
        presented: &Presented<'a>,
    ) -> Result<(Option<&'a [u8]>, bool), Denied> {
        let id = single(presented.client_id, CLIENT_ID)?;
        let secret = single(presented.client_secret, CLIENT_SECRET)?;
        if self.settings.headers_required {
            id.ok_or(Denied::MissingHeader(CLIENT_ID))?;
            secret.ok_or(Denied::MissingHeader(CLIENT_SECRET))?;
        }
        // With optional headers half a token is none: the edge may keep one of the two to itself, and
        // the assertion has the say.
        match (&self.settings.pinned, id, secret) {
            (Some(pinned), Some(id), Some(secret)) => match pinned.contains(id, secret) {
                true => Ok((Some(id), true)),
                false => Err(Denied::WrongToken),
            },
            _ => Ok((id, false)),
        }
    }

    /// The assertion: signed, current, meant for this agent, and of the token that the headers name.
    fn check_assertion(
        &self,
        check: &AssertionCheck,
        presented: &Presented<'_>,
        client_id: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<String, Denied> {
        let token = single(presented.assertion, ASSERTION)?
            .ok_or(Denied::BadAssertion(AssertionFault::Missing))?;
        let keys = check.keys.usable(now).ok_or(Denied::KeysUnavailable)?;
        let name = check
            .verifier
            .verify(token, &keys.set, now)
            .map_err(Denied::BadAssertion)?;
        let pinned = self
            .settings
            .pinned
            .as_ref()
            .is_none_or(|pinned| pinned.knows(&name));
        let same = client_id.is_none_or(|id| id == name.as_bytes());
        match pinned && same {
            true => Ok(name),
            false => Err(Denied::BadAssertion(AssertionFault::OtherToken)),
        }
    }
}

/// The one value without surrounding blanks; `None` when there is none or nothing is left of it.
fn single<'a>(header: Header<'a>, name: &'static str) -> Result<Option<&'a [u8]>, Denied> {
    match header {
        Header::Absent => Ok(None),
        Header::Once(value) => Ok(Some(value.trim_ascii()).filter(|value| !value.is_empty())),
        Header::Repeated => Err(Denied::RepeatedHeader(name)),
    }
}
