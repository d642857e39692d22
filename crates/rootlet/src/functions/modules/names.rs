//! What modules call each other by. A module is told those that it uses by where they are in the whole: `lib` of the main module is
//! `/lib`, and `lib` of that one is `/lib/lib`. So a call means the same wherever its value gets to. Of its own objects a module
//! says its own name; they are renamed on their way out and in.

use serde_json::Value;

/// Renames the module of all objects in a value.
pub(super) fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(map) => {
            let is_object = map.get("$").is_some_and(|kind| kind == "Object");
            if is_object && map.get("module").is_some_and(|module| module == from) {
                map.insert("module".into(), to.into());
            }
            map.values_mut().for_each(|value| rename(value, from, to));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| rename(value, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_objects_of_that_module_are_renamed() {
        let mut value = json!([
            {"$": "Object", "module": "lib", "state": {"other": {"$": "Object", "module": "lib"}}},
            {"$": "Object", "module": "x"},
            {"$": "Call", "module": "lib"},
        ]);
        rename(&mut value, "lib", "/lib");
        assert_eq!(value[0]["module"], "/lib");
        assert_eq!(value[0]["state"]["other"]["module"], "/lib");
        assert_eq!((&value[1]["module"], &value[2]["module"]), (&json!("x"), &json!("lib")));
    }
}
