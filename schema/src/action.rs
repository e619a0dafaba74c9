//! What people may do about a drift or a service, as it stands in a request. The state decides whether it can be done now.

use serde::{Deserialize, Serialize};

use crate::time::Micros;
use crate::words::{ScraperVersion, Step};

macro_rules! actions {
    ($($(#[$meta:meta])* pub enum $name:ident { $($body:tt)* })*) => {
        $(#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
        #[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
        $(#[$meta])*
        pub enum $name { $($body)* })*
    };
}

actions! {
    pub enum DriftAction {
        /// Let the next tick look at it, within the budget: a verification if its issue is open, else a replay.
        Replay {},
        /// Take that back, as long as nobody has looked.
        DropReplay {},
        /// Do nothing about it until the first of these comes true; with none of them, until it is unmuted.
        Mute {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            until: Option<Micros>,
            /// Until a scraper of this version, or a newer one, reports it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            version: Option<ScraperVersion>,
            /// Until it was reported so many times more.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            reports: Option<u64>,
        },
        Unmute {},
        /// It is fixed in this version of the scraper: reports of older ones count and change nothing.
        Fixed { version: ScraperVersion },
        /// Take that back.
        NotFixed {},
        /// This step has another name now: what is reported of it is about the new one.
        Rename { to: Step },
        UndoRename {},
    }

    pub enum ServiceAction {
        /// Switch its replays off.
        Pause {},
        /// Switch them on again.
        Resume {},
    }
}
