//! What can be said in the trail: one variant an event, its fields as they stand in the line.
//!
//! Text that a caller chose is cut to a bound when it is written (see `bounds`), so whoever builds
//! an event need not think about length.

use serde::Serialize;

use super::bounds::{long, name, names, short};
use super::doubt::{Doubt, LedgerAcknowledged, LedgerDoubted};
use super::ledger::LedgerReference;
use super::observation::{ObservationsSuppressed, RuntimeObserved};

/// One event, as `audit.jsonl` shows it. `record` documents every field.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The agent opened the trail. Written by `Trail::open` itself, as the first record of a life.
    AgentStarted(AgentStarted),
    /// The agent ends in order.
    AgentStopped(AgentStopped),
    /// An operation begins: the intent, before anything is touched.
    OperationStarted(OperationStarted),
    /// A step of an operation begins.
    StepStarted(StepStarted),
    /// A step of an operation ended.
    StepEnded(StepEnded),
    /// How the container that is about to be removed came to its end.
    PredecessorEnded(PredecessorEnded),
    /// A tag is bound to this digest: an entry of the ledger of immutable tags.
    TagRan(TagRan),
    /// An operation ended, one way or another.
    OperationEnded(Box<OperationEnded>),
    /// An operation that an earlier life of the agent left without an outcome is closed.
    OperationInterrupted(OperationInterrupted),
    /// The runtime container is of an operation that the trail does not know.
    LedgerDoubted(LedgerDoubted),
    /// An operator has acknowledged what is doubted of the ledger.
    LedgerAcknowledged(LedgerAcknowledged),
    /// A rejected request. Hand these to `Trail::rejected`, which bounds them.
    Rejected(Rejection),
    /// Rejected requests that were only counted.
    RejectionsSuppressed(RejectionsSuppressed),
    /// Something was seen of the container that no operation did. Hand these to `Trail::observed`, which bounds them.
    RuntimeObserved(Box<RuntimeObserved>),
    /// Observations that were only counted.
    ObservationsSuppressed(ObservationsSuppressed),
    /// An image was removed from the host.
    ImagePruned(ImagePruned),
    /// Bytes after the last whole record were moved to a file of their own.
    TornLineKeptAside(TornLineKeptAside),
    /// The trail was found changed, cut or missing when it was opened.
    TrailDamaged(TrailDamaged),
    /// The first record of a file that follows another.
    TrailContinued(TrailContinued),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Replace the runtime container.
    Deploy,
    /// Stop and remove the runtime container.
    Stop,
    /// Fetch an image ahead of a deploy.
    Pull,
    /// Remove images that are no longer needed.
    Prune,
    /// Refuse deploys until a time.
    Freeze,
    /// Take them again.
    Thaw,
}

/// How an operation or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It happened, and was seen to have happened.
    Succeeded,
    /// It did not happen, or went wrong.
    Failed,
    /// An answer was lost and an inspect could not decide.
    Unknown,
    /// It never started: its client was gone, or the agent was ending.
    Abandoned,
}

/// What a fresh inspect showed of the runtime container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeState {
    /// The operation ended before anything was touched; the engine was not asked.
    Untouched,
    /// The container that was there before runs.
    OldRunning,
    /// The container that was there before exists and does not run.
    OldStopped,
    /// No container has the name.
    Nothing,
    /// A container that neither was there before nor was made by this operation runs under the name.
    StrangerRunning,
    /// Such a container has the name and does not run.
    StrangerStopped,
    /// The new container was created and never started.
    NewCreated,
    /// The new container started and ended.
    NewExited,
    /// The new container is being removed, and not by this agent.
    NewRemoving,
    /// The new container runs.
    NewRunning,
    /// The engine could not be asked.
    Unknown,
}

/// The agent opened the trail.
#[derive(Debug, Clone, Serialize)]
pub struct AgentStarted {
    /// Which environment this trail belongs to.
    pub environment: String,
    /// Process id.
    pub pid: u32,
    /// There was no trail in the state directory: what ran before is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_trail: bool,
}

/// The agent ends in order.
#[derive(Debug, Clone, Serialize)]
pub struct AgentStopped {
    /// Why, for instance the signal.
    #[serde(serialize_with = "long")]
    pub reason: String,
}

/// Who asked.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Requester {
    /// `CF-Access-Client-Id`, never the secret.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `Cf-Ray`, which finds the request in Cloudflare's logs.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub cf_ray: Option<String>,
    /// `common_name` of a verified assertion.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// How the caller was proven. Empty: everything in here is only claimed. 0.1.0 did not tell.
    pub proven: Vec<Proof>,
    /// `User-Agent`, in which a pipeline may name its run and actor: always only claimed.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// What proved a caller, and which field of [`Requester`] with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Id and secret are those of a pinned token: `client_id`.
    PinnedToken,
    /// The assertion verified: `common_name`.
    Assertion,
    /// The kernel named the user at the other end of a local socket: `client_id`.
    LocalUser,
}

/// An operation begins.
#[derive(Debug, Clone, Serialize)]
pub struct OperationStarted {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// What is being done.
    pub kind: OperationKind,
    /// Who asked.
    pub requester: Requester,
    /// Reference asked for.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Environment as the request named it.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub environment_asked: Option<String>,
    /// The agent's own environment.
    pub environment: String,
    /// Of a freeze: why, and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<FreezeAsked>,
    /// From arrival to start, in milliseconds.
    pub queue_wait_ms: u64,
    /// Keyed fingerprint of the agent's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}

/// A freeze that is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct FreezeAsked {
    /// Why.
    #[serde(serialize_with = "long")]
    pub reason: String,
    /// Until when, RFC 3339.
    pub until: String,
}

/// A step begins.
#[derive(Debug, Clone, Serialize)]
pub struct StepStarted {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// Name of the step, as the operation's own list has it.
    pub step: &'static str,
    /// What it acts on, where there are several.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A step ended.
#[derive(Debug, Clone, Serialize)]
pub struct StepEnded {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// Name of the step.
    pub step: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// In milliseconds.
    pub duration_ms: u64,
    /// What was found, or why it failed.
    #[serde(serialize_with = "long::opt", skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The end of the container that gives way.
#[derive(Debug, Clone, Serialize)]
pub struct PredecessorEnded {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// Full container id.
    #[serde(serialize_with = "short")]
    pub container_id: String,
    /// Reference it was created from.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of its image.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// This agent did not make it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// Exit code, when the engine knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The kernel killed it for memory.
    pub oom_killed: bool,
    /// It did not end within the grace and was killed.
    pub killed_after_grace: bool,
    /// From SIGTERM to its end, in milliseconds: what the stop cost.
    pub stop_ms: u64,
}

/// A tag is bound to this digest. Written when its deploy has passed every check and nothing has been touched yet, and
/// for a container that an interrupted deploy has started; 0.1.0 wrote it after the start.
#[derive(Debug, Clone, Serialize)]
pub struct TagRan {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// `repository:tag`.
    #[serde(serialize_with = "short")]
    pub reference: String,
    /// Digest of the manifest in the registry.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Id of the image in the engine.
    #[serde(serialize_with = "short")]
    pub image_id: String,
}

/// A keyed fingerprint of named values, and the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fingerprint {
    /// HMAC-SHA-256 in hexadecimal, under the key of this state directory.
    pub fingerprint: String,
    /// The names, sorted. Values are never kept.
    #[serde(serialize_with = "names")]
    pub names: Vec<String>,
}

/// What the labels of an image say of its origin (`org.opencontainers.image.…`): a claim of the image, proven by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageClaims {
    /// Revision of the source.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where the source is.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was built.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// What was found out about the signature of an image.
#[derive(Debug, Clone, Serialize)]
pub struct SignatureRecord {
    /// The policy that asked: `warn` or `enforce`.
    pub policy: &'static str,
    /// What was found.
    pub verdict: SignatureVerdict,
    /// Fingerprint of the key that made it.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// In which form it is attached: `bundle` or `simple_signing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'static str>,
    /// Why there is none.
    #[serde(serialize_with = "long::opt", skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether an image is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureVerdict {
    /// By a pinned key, for exactly this deploy.
    Signed,
    /// Nothing that is attached counts.
    NotSigned,
    /// The registry did not say.
    Unanswered,
}

/// An operation ended.
#[derive(Debug, Clone, Serialize)]
pub struct OperationEnded {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// What was done.
    pub kind: OperationKind,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status that was, or would have been, answered.
    pub http: u16,
    /// The step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<&'static str>,
    /// The sentence the caller was given.
    #[serde(serialize_with = "long::opt", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a fresh inspect showed.
    pub state: RuntimeState,
    /// Reference asked for.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of the manifest in the registry.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Id of the image in the engine.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Where the image says that it comes from; none if it says nothing, or was not pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_by_image: Option<ImageClaims>,
    /// What was found out about the image's signature; none if nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRecord>,
    /// Full id of the container that is there now.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// From start to end, in milliseconds.
    pub duration_ms: u64,
    /// When the process of the container that gave way was gone, RFC 3339; none if none ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_since: Option<String>,
    /// When the new one was started, RFC 3339; none if it did not hold: then the runtime is down until another one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_since: Option<String>,
    /// From the one to the other, in milliseconds. 0.1.0 also told it of a start that did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<u64>,
    /// Fingerprint of `runtime.env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_env: Option<Fingerprint>,
    /// Names of the variables that the process has from its image alone, sorted.
    #[serde(serialize_with = "names", skip_serializing_if = "Vec::is_empty")]
    pub image_variables: Vec<String>,
    /// Fingerprint of the container's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_settings: Option<Fingerprint>,
}

/// An operation of an earlier life is closed.
#[derive(Debug, Clone, Serialize)]
pub struct OperationInterrupted {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// What was being done, as the record of its begin says.
    #[serde(serialize_with = "name")]
    pub kind: String,
    /// The last step that was begun.
    #[serde(serialize_with = "name::opt", skip_serializing_if = "Option::is_none")]
    pub last_step: Option<String>,
    /// What the engine shows now.
    pub state: RuntimeState,
    /// Id of the container that is there now.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// When it was started, if it runs: RFC 3339, by the engine's clock.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub up_since: Option<String>,
    /// Reference that container was created from.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A rejected request.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rejection {
    /// HTTP status of the answer.
    pub http: u16,
    /// Method and path, as far as they are known.
    #[serde(serialize_with = "short")]
    pub request: String,
    /// Why, in the words of the answer.
    #[serde(serialize_with = "long")]
    pub reason: String,
    /// Who asked.
    pub requester: Requester,
    /// Reference asked for.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Rejected requests that were only counted.
#[derive(Debug, Clone, Serialize)]
pub struct RejectionsSuppressed {
    /// How many.
    pub count: u64,
    /// When the first of them came, RFC 3339.
    pub since: String,
}

/// An image was removed from the host.
#[derive(Debug, Clone, Serialize)]
pub struct ImagePruned {
    /// Operation id.
    #[serde(serialize_with = "name")]
    pub operation: String,
    /// Reference, if it had one.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of the image.
    #[serde(serialize_with = "short")]
    pub image_id: String,
    /// Bytes given back, as far as the engine says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Bytes that were no whole record were moved to a file of their own.
#[derive(Debug, Clone, Serialize)]
pub struct TornLineKeptAside {
    /// Name of the file, in the state directory.
    pub file: String,
    /// How many bytes it holds.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
}

/// The trail was found changed, cut or missing when it was opened.
#[derive(Debug, Clone, Serialize)]
pub struct TrailDamaged {
    /// File and line, where there is one, and what is wrong with it.
    #[serde(serialize_with = "long")]
    pub problem: String,
}

/// The first record of a file that follows another.
#[derive(Debug, Clone, Serialize)]
pub struct TrailContinued {
    /// Which environment this trail belongs to.
    pub environment: String,
    /// Name the file before has now.
    pub after_file: String,
    /// Sequence number of its last record.
    pub after_seq: u64,
    /// The ledger of tags as it stood.
    pub ledger: LedgerReference,
    /// What was doubted of the ledger and not acknowledged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
    /// Operations that were under way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Unfinished>,
}

/// An operation without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Unfinished {
    /// Operation id.
    pub operation: String,
    /// What was being done.
    pub kind: String,
    /// Reference asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The last step that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_step: Option<String>,
}
