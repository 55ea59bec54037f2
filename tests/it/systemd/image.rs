//! The image that hosts boot from: this machine's release, bootstrapped once and kept as an archive below `target`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use crate::harness::unique;

/// What a host of ours has, and what its tests look with.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,docker.io,iptables,curl,ca-certificates,strace,jq,procps,python3-minimal";
/// What no test reads; less to import.
const LEFT_OUT: [&str; 5] = [
    "./var/cache/apt/archives/*.deb",
    "./var/lib/apt/lists/*",
    "./usr/share/doc/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
];

/// An image on the engine at hand; removed with the last host that was booted from it.
pub struct Image(pub String);

impl Image {
    /// The one that other hosts are using, or a fresh import.
    pub fn get() -> Arc<Self> {
        static CURRENT: Mutex<Weak<Image>> = Mutex::new(Weak::new());
        let mut current = CURRENT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = current.upgrade() {
            return image;
        }
        let image = Arc::new(Self(format!("dreichor-host-test:{}", unique())));
        let archive = File::open(archive()).expect("the archive was just made");
        let mut import = Command::new("docker");
        import.args(["import", "-", &image.0]).stdin(archive);
        succeed("docker import", &mut import);
        *current = Arc::downgrade(&image);
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        // The engine at hand outlives this test; a failure here is seen by whoever looks for leftovers.
        remove.args(["rmi", "--force", &self.0]).output().ok();
    }
}

/// Runs a command that must succeed, and gives what it said on standard output.
pub fn succeed(what: &str, command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}; ./tests/run installs what is missing"));
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The archive, bootstrapped if there is none of this recipe. Needs root, `debootstrap` and the mirror that apt uses.
fn archive() -> PathBuf {
    let suite = suite();
    let recipe = format!("{suite} {PACKAGES} {}", LEFT_OUT.join(" "));
    let hash = dreichor_test_support::images::digest(recipe.as_bytes());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/host-image");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let archive = directory.join(format!("{suite}-{}.tar", &hash[7..19]));
    if archive.exists() {
        return archive;
    }
    // Not below target, which may be on a file system without devices or set-id.
    let scratch = tempfile::tempdir().expect("a directory");
    let root = scratch.path().join("root");
    let mut bootstrap = Command::new("debootstrap");
    bootstrap
        .arg("--variant=minbase")
        .arg(format!("--include={PACKAGES}"))
        .arg(format!("--components={}", components()))
        .args([&suite, &root.display().to_string(), &mirror(&suite)]);
    succeed(
        "debootstrap (root and apt's mirror are needed)",
        &mut bootstrap,
    );
    furnish(&root);
    let unfinished = directory.join(format!("unfinished-{}", std::process::id()));
    let mut pack = Command::new("tar");
    pack.arg("--directory").arg(&root);
    pack.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    pack.arg("--create").arg("--file").arg(&unfinished).arg(".");
    succeed("tar", &mut pack);
    std::fs::rename(&unfinished, &archive).expect("renamed");
    archive
}

/// The small client of the tests, and a journal that a reboot does not lose.
fn furnish(root: &Path) {
    std::fs::create_dir_all(root.join("var/log/journal")).expect("made");
    // Timers and services that would only take time beside the tests.
    for unit in [
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "e2scrub_reap.service",
        "fstrim.timer",
    ] {
        std::os::unix::fs::symlink("/dev/null", root.join("etc/systemd/system").join(unit))
            .expect("masked");
    }
}

fn os_release(name: &str) -> String {
    let text = std::fs::read_to_string("/etc/os-release").expect("the release of this machine");
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.expect(name).trim_matches('"').to_owned()
}

/// The release of this machine: the program of the package was linked with its libc.
fn suite() -> String {
    os_release("VERSION_CODENAME")
}

/// Ubuntu has the engine in another component than Debian.
fn components() -> &'static str {
    match os_release("ID").as_str() {
        "ubuntu" => "main,universe",
        _ => "main",
    }
}

/// Where apt takes that release from.
fn mirror(suite: &str) -> String {
    let mut targets = Command::new("apt-get");
    targets
        .args([
            "indextargets",
            "--format",
            "$(SITE) $(RELEASE) $(COMPONENT)",
        ])
        .stderr(Stdio::null());
    let listed = succeed("apt-get indextargets", &mut targets);
    let wanted = format!(" {suite} main");
    listed
        .lines()
        .find_map(|line| line.strip_suffix(&wanted))
        .unwrap_or_else(|| panic!("apt has no source for {suite}:\n{listed}"))
        .to_owned()
}
