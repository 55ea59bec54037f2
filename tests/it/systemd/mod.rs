//! Hosts of the real kind: booted systemd, a Docker Engine of their own as `docker.service`, the package installed
//! from its `.deb`. Each test boots its own host and takes it away again; what it asks, it asks with `curl` on it.

mod agents;
mod bare_host;
mod by_hand;
mod checkout;
mod disorder;
mod environments;
mod host;
pub mod image;
mod operations;
pub mod package;
mod port;
mod registry;
mod release;
mod removal;
mod settings_oracle;
mod takeover;
mod trouble;
mod tunnel;
mod watchdog;
