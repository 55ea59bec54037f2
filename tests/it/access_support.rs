//! What the access tests share: keys, tokens made by hand, and a key set server on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deploy_agent::access::{
    Access, AccessSettings, Admitted, Denied, Header, Presented, RefreshPolicy, run_key_refresher,
};
use deploy_agent::settings::{Problem, Settings, SettingsError};
use dreichor_test_support::http::Wire;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const TEAM: &str = "example.cloudflareaccess.com";
pub const AUDIENCE: &str = "aud-of-this-environment";
pub const TOKEN_ID: &str = "0123abcd.access";

/// The keys of the tests, generated once a run.
pub static KEY: LazyLock<KeyPair> = LazyLock::new(generate);
pub static NEXT_KEY: LazyLock<KeyPair> = LazyLock::new(generate);
pub static STRANGERS_KEY: LazyLock<KeyPair> = LazyLock::new(generate);

fn generate() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).unwrap()
}

/// The settings of the access checks as the agent reads them, beside the least that every agent must have.
pub fn access_settings(variables: &[(&str, &str)]) -> Result<AccessSettings, Vec<Problem>> {
    let least = [
        ("ENVIRONMENT", "dev"),
        ("CONTAINER_NAME", "dreichor-runtime-dev"),
        ("AUDIT_EVENTS_PATH", "/a"),
        ("SNAPSHOTS_PATH", "/b"),
        ("ALLOW_EXECUTION_PLANE", "paper"),
    ];
    let all = least.iter().chain(variables);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_variables(all.collect())
        .map(|settings| settings.access)
        .map_err(|SettingsError(problems)| problems)
}

/// Times short enough for tests.
pub fn quick() -> RefreshPolicy {
    RefreshPolicy {
        period: Duration::from_secs(3600),
        retry: Duration::from_secs(3600),
        min_gap: Duration::from_millis(1),
        deadline: Duration::from_secs(3),
        request_timeout: Duration::from_secs(8),
        validity: Duration::from_secs(3600),
    }
}

pub fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Modulus of a 2048-bit key, cut out of its PKCS#1 encoding.
pub fn modulus(key: &KeyPair) -> Vec<u8> {
    let der = key.public_key().as_ref();
    assert_eq!(
        der[..9],
        [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00]
    );
    der[9..265].to_vec()
}

pub fn jwk(kid: &str, modulus: &[u8]) -> Value {
    let n = URL_SAFE_NO_PAD.encode(modulus);
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": n, "e": "AQAB"})
}

pub fn key_set(keys: &[(&str, &KeyPair)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(kid, key)| jwk(kid, &modulus(key)))
        .collect();
    json!({"keys": keys, "public_cert": {"kid": "x", "cert": "-----BEGIN…"}, "public_certs": []})
        .to_string()
}

pub fn header() -> Value {
    json!({"alg": "RS256", "kid": "one", "typ": "JWT"})
}

/// The claims of a service token as Cloudflare documents them.
pub fn claims() -> Value {
    let now = now_secs();
    json!({
        "type": "app", "aud": [AUDIENCE], "iss": format!("https://{TEAM}"),
        "iat": now - 5, "exp": now + 300, "common_name": TOKEN_ID, "sub": ""
    })
}

/// `base` with one member replaced, or removed when `value` is null.
pub fn with(mut base: Value, member: &str, value: Value) -> Value {
    let map = base.as_object_mut().unwrap();
    match value {
        Value::Null => map.remove(member),
        value => map.insert(member.to_owned(), value),
    };
    base
}

pub fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

pub fn token(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let input = signing_input(header, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        input.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub fn good_token() -> String {
    token(&KEY, &header(), &claims())
}

/// The headers that reach the agent behind Cloudflare, with this assertion.
pub fn presenting(assertion: &str) -> Presented<'_> {
    Presented {
        client_id: Header::Once(TOKEN_ID.as_bytes()),
        client_secret: Header::Once(b"some secret"),
        assertion: Header::Once(assertion.as_bytes()),
    }
}

/// How the key set server answers.
#[derive(Clone)]
pub enum Reply {
    KeySet(String),
    Status(u16, &'static str),
    RedirectTo(String),
    Endless,
    Drip,
    Silence,
}

/// A key set server that counts its requests.
#[derive(Clone)]
pub struct KeyServer {
    pub url: String,
    reply: Arc<Mutex<Reply>>,
    requests: Arc<AtomicUsize>,
}

impl KeyServer {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!(
                "http://{}/cdn-cgi/access/certs",
                listener.local_addr().unwrap()
            ),
            reply: Arc::new(Mutex::new(reply)),
            requests: Arc::default(),
        };
        let handle = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = handle.reply.lock().unwrap().clone();
                handle.requests.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, reply));
            }
        });
        server
    }

    pub fn now_answers(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    let asked = Wire::new(&mut stream).head().await?;
    let named = |agent: &str| agent.starts_with("dreichor-deploy-agent/");
    // As some edges do.
    let agent = asked.as_ref().and_then(|head| head.header("User-Agent"));
    let reply = match agent.is_some_and(named) {
        true => reply,
        false => Reply::Status(403, "who are you?"),
    };
    let head =
        |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{more}\r\n");
    match reply {
        Reply::KeySet(json) => stream.write_all((head(200, "") + &json).as_bytes()).await,
        Reply::Status(status, body) => stream.write_all((head(status, "") + body).as_bytes()).await,
        Reply::RedirectTo(url) => {
            stream
                .write_all(head(302, &format!("location: {url}\r\n")).as_bytes())
                .await
        }
        Reply::Endless => {
            stream.write_all(head(200, "").as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 8192]).await?;
            }
        }
        Reply::Drip => {
            stream.write_all(head(200, "").as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Reply::Silence => std::future::pending().await,
    }
}

/// An agent's access checks with their refresher running.
pub struct Checks {
    pub access: Access,
    refresher: JoinHandle<()>,
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}

impl Checks {
    /// Assertion checked against `server`, plus these settings.
    pub fn start(server: &KeyServer, policy: RefreshPolicy, more: &[(&str, &str)]) -> Self {
        let mut variables = vec![
            ("CF_ACCESS_TEAM_DOMAIN", TEAM),
            ("CF_ACCESS_AUD", AUDIENCE),
            ("CF_ACCESS_CERTS_URL", &server.url),
        ];
        variables.extend(more);
        let settings = access_settings(&variables).unwrap();
        let access = Access::with_refresh_policy(settings, policy);
        let refresher = tokio::spawn(run_key_refresher(access.key_refresher().unwrap()));
        Self { access, refresher }
    }

    /// With the key set `one` = [`KEY`] already fetched.
    pub async fn ready(more: &[(&str, &str)]) -> Self {
        let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
        let checks = Self::start(&server, quick(), more);
        checks.admit(&presenting(&good_token())).await.unwrap();
        checks
    }

    pub async fn admit<'a>(&self, presented: &Presented<'a>) -> Result<Admitted<'a>, Denied> {
        self.access.admit(presented, SystemTime::now()).await
    }

    /// The verdict on an assertion with the headers of the token it should belong to.
    pub async fn verdict(&self, assertion: &str) -> Result<(), Denied> {
        self.admit(&presenting(assertion)).await.map(drop)
    }
}
