//! The JSON of an operation, where JSON is asked for.

use serde_json::{Map, Value, json};

use super::lines::rename;
use super::operation::Entry;

impl Entry {
    pub(super) fn insert(&mut self, name: &str, value: Value) {
        if let Some(Value::Object(all)) = &mut self.json {
            all.insert(name.to_owned(), value);
        }
    }

    pub(super) fn extend(&mut self, more: Map<String, Value>) {
        if let Some(Value::Object(all)) = &mut self.json {
            all.extend(more);
        }
    }

    /// Adds a record to what belongs to the operation: a step, the predecessor, a pruned image.
    pub(super) fn add(&mut self, event: &str, mut detail: Map<String, Value>) {
        for known in ["seq", "operation", "agent_version"] {
            detail.remove(known);
        }
        let Some(Value::Object(all)) = &mut self.json else {
            return;
        };
        let list = match event {
            "predecessor_ended" => {
                all.insert("predecessor".to_owned(), Value::Object(detail));
                return;
            }
            "image_pruned" => all.entry("pruned").or_insert_with(|| json!([])),
            _ => all.entry("steps").or_insert_with(|| json!([])),
        };
        let Value::Array(list) = list else { return };
        if event == "step_ended"
            && let Some(Value::Object(begun)) = list.last_mut()
            && begun.get("step") == detail.get("step")
            && !begun.contains_key("outcome")
        {
            rename(&mut detail, "at", "ended_at");
            begun.extend(detail);
            return;
        }
        rename(&mut detail, "at", "started_at");
        list.push(Value::Object(detail));
    }
}
