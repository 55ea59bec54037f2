//! A registry behind TLS, reached through a proxy: by name, with the authorities of the host, and no way around them.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dreichor_test_support::http::Wire;
use dreichor_test_support::http::blocking::{self, Blocking, Connection};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::signer::Signer;
use super::{enforcing, refused};
use crate::harness::{Agent, Kind, REGISTRY_PASSWORD, World};

const NAME: &str = "registry.sample.test";
/// Of the proxy.
const USER: &str = "me:canary-proxy-word";

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl is installed; ./tests/run does that");
    assert!(output.status.success(), "{arguments}: {output:?}");
}

/// An authority, `ca.pem`, and a server of this name, `server.pem` and `server-key.pem`.
fn certificates(directory: &Path) {
    std::fs::create_dir_all(directory).expect("made");
    let extension = format!("subjectAltName=DNS:{NAME}\n");
    std::fs::write(directory.join("server.ext"), extension).expect("written");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for arguments in [
        format!("req -x509 {key} -keyout ca-key.pem -out ca.pem -subj /CN=authority -days 2"),
        format!("req {key} -keyout server-key.pem -out server.csr -subj /CN=server"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out server.pem -days 2 -extfile server.ext".to_owned(),
    ] {
        openssl(directory, &arguments);
    }
}

/// Accepts for ever, each connection in a thread of its own: they end with the process.
fn serve(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    let port = listener.local_addr().expect("it is bound").port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            // A connection that breaks is its client's business.
            std::thread::spawn(move || serve(stream).ok());
        }
    });
    port
}

/// TLS in front of the registry on this port.
fn behind_tls(directory: &Path, registry: u16) -> u16 {
    let certificate = CertificateDer::from_pem_file(directory.join("server.pem"));
    let key = PrivateKeyDer::from_pem_file(directory.join("server-key.pem"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"));
    let config = Arc::new(config.expect("a certificate with its key"));
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut wire = Wire::new(Blocking(StreamOwned::new(connection, stream)));
        while let Some((head, _)) = blocking::request(&mut wire)? {
            let headers = head.headers.iter();
            let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n"));
            let request = format!("{}\r\n{}\r\n", head.start, headers.collect::<String>());
            let answer = Connection::tcp(registry)?.exchange(request.as_bytes())?;
            let answer = format!("{}\r\n\r\n{}", answer.head, answer.body);
            wire.stream().0.write_all(answer.as_bytes())?;
            wire.stream().0.flush()?;
        }
        Ok(())
    })
}

/// A proxy with a password that leads everybody to this port; and whom it was asked for.
fn proxy(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let port = serve(move |mut stream| {
        let mut wire = Wire::new(Blocking(stream.try_clone()?));
        let Some((head, _)) = blocking::request(&mut wire)? else {
            return Ok(());
        };
        let basic = format!("Basic {}", STANDARD.encode(USER));
        if head.header("proxy-authorization") != Some(basic.as_str()) {
            return stream.write_all(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n");
        }
        seen.lock().expect("whole").push(head.start.clone());
        let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (mut back, mut there) = (far.try_clone()?, stream.try_clone()?);
        std::thread::spawn(move || io::copy(&mut back, &mut there).ok());
        io::copy(&mut stream, &mut far)?;
        Ok(())
    });
    (port, asked)
}

/// A world whose registry has a name, wants a password, and is behind TLS and a proxy.
fn world(signer: &Signer) -> (World, Arc<Mutex<Vec<String>>>) {
    let mut world = World::new(Kind::Fake);
    let tls = world.path("tls");
    certificates(&tls);
    let port = world.registry.port();
    world.repository = format!("{NAME}:{port}/{}", world.repository_path());
    let repository = world.repository.clone();
    world.set("IMAGE_REPOSITORY", &repository);
    let (proxy, asked) = proxy(behind_tls(&tls, port));
    world.set("HTTPS_PROXY", &format!("http://{USER}@127.0.0.1:{proxy}"));
    world.set("NO_PROXY", ".example.com,10.0.0.0/8");
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    let auth = STANDARD.encode(format!("deployer:{REGISTRY_PASSWORD}"));
    let config = json!({ "auths": { format!("{NAME}:{port}"): { "auth": auth } } });
    std::fs::write(world.path("docker/config.json"), config.to_string()).expect("written");
    enforcing(&mut world, signer);
    (world, asked)
}

fn agent(world: &World) -> Agent {
    let authority = world.path("tls/ca.pem").display().to_string();
    let variables = [("RUST_LOG", "trace"), ("SSL_CERT_FILE", &authority)];
    Agent::start(
        &world.env_file(),
        world.port,
        &world.path("agent.log"),
        &variables,
    )
}

#[test]
fn a_registry_behind_tls_is_asked_through_the_proxy() {
    let signer = Signer::new();
    let (world, asked) = world(&signer);
    let agent = agent(&world);
    let image = world.push_runtime("1.0.0");
    signer.sign(&world, "1.0.0", &image.digest);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let host = format!("CONNECT {NAME}:{} HTTP/1.1", world.registry.port());
    let asked = asked.lock().expect("whole").clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|asked| *asked == host),
        "{asked:?}"
    );
    for log in [agent.log(), world.last_outcome().to_string()] {
        assert!(!log.contains("canary-proxy-word"));
    }
    // What leads from TLS to plain HTTP is not followed, be it a blob store or a token server, also on this host.
    let image = world.push_runtime("2.0.0");
    signer.sign(&world, "2.0.0", &image.digest);
    world.registry.move_blobs_to_a_store();
    refused(
        &world,
        &agent,
        "2.0.0",
        502,
        &["neither HTTPS nor on this host"],
    );
    world.registry.require_bearer("deployer", REGISTRY_PASSWORD);
    let image = world.push_runtime("3.0.0");
    signer.sign(&world, "3.0.0", &image.digest);
    refused(&world, &agent, "3.0.0", 502, &["leads to a token server"]);
}

#[test]
fn an_authority_that_the_host_does_not_trust_and_a_proxy_that_refuses_are_no_answer() {
    let signer = Signer::new();
    let (mut world, asked) = world(&signer);
    let other = world.path("other");
    certificates(&other);
    let image = world.push_runtime("1.0.0");
    signer.sign(&world, "1.0.0", &image.digest);
    let first = agent(&world);
    assert_eq!(first.deploy(&world.image("1.0.0")).status, 200);
    drop(first);
    let image = world.push_runtime("2.0.0");
    signer.sign(&world, "2.0.0", &image.digest);
    std::fs::copy(other.join("ca.pem"), world.path("tls/ca.pem")).expect("copied");
    let untrusting = agent(&world);
    refused(
        &world,
        &untrusting,
        "2.0.0",
        502,
        &["could not be reached", "certificate"],
    );
    drop(untrusting);
    let proxy = world.settings["HTTPS_PROXY"].replace(USER, "me:other");
    world.set("HTTPS_PROXY", &proxy);
    let refusing = agent(&world);
    refused(
        &world,
        &refusing,
        "2.0.0",
        502,
        &["could not be reached", "proxy"],
    );
    drop(refusing);
    // Without the proxy there is no such host.
    let count = asked.lock().expect("whole").len();
    world.set("NO_PROXY", "sample.test");
    let direct = agent(&world);
    refused(&world, &direct, "2.0.0", 502, &["could not be reached"]);
    assert_eq!(asked.lock().expect("whole").len(), count);
}
