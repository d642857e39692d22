//! Limit*=, and the limits of the service's cgroup.

use super::super::Like;
use super::super::error::Error;
use super::loss;
use super::unit::{Assignment, Settings};
use crate::{Ulimit, duration, size};

/// systemd's name after `Limit`, docker's, and whether it is a time.
const LIMITS: [(&str, &str, Unit); 16] = [
    ("LimitCPU", "cpu", Unit::Seconds),
    ("LimitFSIZE", "fsize", Unit::Bytes),
    ("LimitDATA", "data", Unit::Bytes),
    ("LimitSTACK", "stack", Unit::Bytes),
    ("LimitCORE", "core", Unit::Bytes),
    ("LimitRSS", "rss", Unit::Bytes),
    ("LimitNPROC", "nproc", Unit::Number),
    ("LimitNOFILE", "nofile", Unit::Number),
    ("LimitMEMLOCK", "memlock", Unit::Bytes),
    ("LimitAS", "as", Unit::Bytes),
    ("LimitLOCKS", "locks", Unit::Number),
    ("LimitSIGPENDING", "sigpending", Unit::Number),
    ("LimitMSGQUEUE", "msgqueue", Unit::Bytes),
    ("LimitNICE", "nice", Unit::Nice),
    ("LimitRTPRIO", "rtprio", Unit::Number),
    ("LimitRTTIME", "rttime", Unit::Number),
];

#[derive(Clone, Copy)]
enum Unit {
    Number,
    Bytes,
    Seconds,
    /// `+5` is the number 15: 20 less what the nice value is.
    Nice,
}

pub fn read(like: &mut Like, settings: &mut Settings) -> Result<(), Error> {
    for (key, name, unit) in LIMITS {
        let Some(a) = settings.last(key) else { continue };
        let (soft, hard) = a.value.split_once(':').unwrap_or((&a.value, &a.value));
        let text = format!("{name}={}:{}", value(&a, soft, unit)?, value(&a, hard, unit)?);
        like.spec.ulimits.push(text.parse::<Ulimit>().map_err(|e| a.error(e.reason()))?);
    }
    if let Some(a) = settings.last("MemoryMax") {
        match a.value.as_str() {
            "infinity" => {}
            text if text.ends_with('%') => {
                like.losses.push(loss(&a, "a part of the machine's memory, which is not known"))
            }
            text => like.spec.limits.memory = Some(bytes(&a, text)?),
        }
    }
    if let Some(a) = settings.last("TasksMax") {
        match a.value.as_str() {
            "infinity" => {}
            text if text.ends_with('%') => {
                like.losses.push(loss(&a, "a part of the machine's processes, which is not known"))
            }
            text => like.spec.limits.pids = Some(text.parse().map_err(|_| a.error("expected a number"))?),
        }
    }
    if let Some(a) = settings.last("CPUQuota") {
        let percent = a.value.strip_suffix('%').and_then(|text| text.parse::<u32>().ok()).filter(|&n| n > 0);
        let percent = percent.ok_or_else(|| a.error("expected a percentage, such as 50%"))?;
        like.spec.limits.cpus = Some(f64::from(percent) / 100.0);
    }
    Ok(())
}

fn value(a: &Assignment, text: &str, unit: Unit) -> Result<String, Error> {
    if text == "infinity" {
        return Ok("unlimited".into());
    }
    Ok(match unit {
        Unit::Bytes => bytes(a, text)?.to_string(),
        Unit::Number => text.to_owned(),
        Unit::Seconds => match text.parse::<u64>() {
            Ok(seconds) => seconds.to_string(),
            Err(_) => duration::parse(&text.replace("min", "m").replace("sec", "s"))
                .map_err(|e| a.error(e.reason()))?
                .as_secs()
                .to_string(),
        },
        Unit::Nice => match text.parse::<i64>() {
            Ok(nice) if text.starts_with(['+', '-']) => (20 - nice.clamp(-20, 19)).to_string(),
            _ => text.to_owned(),
        },
    })
}

/// `512M`: to the base of 1024, as systemd has it.
fn bytes(a: &Assignment, text: &str) -> Result<u64, Error> {
    size::parse(&text.to_ascii_lowercase()).map_err(|e| a.error(e.reason()))
}
