//! `GET /containers/json` and its filters.

use std::sync::Arc;

use regex_lite::Regex;
use serde_json::Value;

use super::acts::Acted;
use super::container::Container;
use super::host::Host;
use super::message::{Answer, Request};

impl Host {
    /// `GET /containers/json`
    pub fn list(self: &Arc<Self>, request: &Request) -> Acted {
        let filter = Filter::of(request)?;
        let all = request.flag("all") || !filter.statuses.is_empty();
        let world = self.world();
        let shown = world.containers.values();
        let mut shown: Vec<&Container> = shown
            .filter(|c| (all || c.state.running) && filter.admits(c))
            .collect();
        shown.sort_by_key(|c| std::cmp::Reverse(c.created));
        let limit = request.param("limit").and_then(|n| n.parse().ok());
        let shown = shown.into_iter().take(limit.unwrap_or(usize::MAX));
        let shown: Vec<Value> = shown.map(Container::summary).collect();
        Ok(Answer::json(200, &Value::Array(shown)))
    }
}

struct Filter {
    names: Vec<Regex>,
    ids: Vec<String>,
    labels: Vec<String>,
    statuses: Vec<String>,
}

impl Filter {
    fn of(request: &Request) -> Result<Filter, Answer> {
        // Not anchored: a name matches wherever the pattern occurs in it.
        let names = request.filter("name").into_iter();
        let names = names.map(|pattern| Regex::new(&pattern));
        let names: Result<_, _> = names.collect();
        Ok(Filter {
            names: names.map_err(|error| Answer::error(500, error.to_string()))?,
            ids: request.filter("id"),
            labels: request.filter("label"),
            statuses: request.filter("status"),
        })
    }

    fn admits(&self, c: &Container) -> bool {
        let slashed = format!("/{}", c.name);
        let named = |name: &Regex| name.is_match(&c.name) || name.is_match(&slashed);
        let labels = c.labels();
        let labelled = |label: &String| match label.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|held| held == value),
            None => labels.contains_key(label),
        };
        (self.names.is_empty() || self.names.iter().any(named))
            && (self.ids.is_empty() || self.ids.iter().any(|id| c.id.starts_with(id)))
            && (self.statuses.is_empty() || self.statuses.iter().any(|s| s == c.state.status()))
            && self.labels.iter().all(labelled)
    }
}
