//! What the runner and the API say to each other: what there is to do, a run under a lease, what it found, and what
//! became of the issue. The API decides; the runner acts, and says what it did.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::report::TripwireKind;
use crate::time::Micros;
use crate::words::{
    Digest, FailureCode, Host, ResourceKind, ScraperVersion, Service, Step, StepHash,
};

macro_rules! messages {
    ($($(#[$meta:meta])* pub $keyword:ident $name:ident { $($body:tt)* })*) => {
        $(#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
        $(#[$meta])*
        pub $keyword $name { $($body)* })*
    };
}

messages! {
    /// What a tick would do. Nothing in it: the hour costs this one request.
    pub struct Work {
        pub as_of: Micros,
        pub services: Vec<ServiceWork>,
        /// Issues that somebody may close or reopen: the tracker is to be asked how they are, since webhooks get lost. Where
        /// webhooks do come, only beside other work, and once a day.
        pub ask: Vec<IssueToAsk>,
        /// This is that once a day: to be told by `asked` when it was done.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub is_daily: bool,
    }

    pub struct ServiceWork {
        pub service: Service,
        pub drifts: Vec<DriftWork>,
        /// Why nothing of it would be handed out now, or no replay. The budget is the runner's to know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub withheld: Option<Withheld>,
        pub budget: Spent,
    }

    pub struct DriftWork {
        pub step: Step,
        pub step_hash: StepHash,
        pub task: Task,
        /// Reports of the batches that are not handled yet.
        pub reports: i64,
        /// Somebody asked for it, and waits.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub asked: bool,
    }

    /// The scraper's runs of one service.
    #[derive(Copy, Default)]
    pub struct Spent {
        /// Since midnight UTC.
        pub today: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub last: Option<Micros>,
        /// Runs in a row that said nothing about the page.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub inconclusive: u32,
    }

    pub struct Withheld {
        pub reason: WithheldFor,
        /// When to ask again, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub until: Option<Micros>,
    }

    #[derive(Copy)]
    #[serde(rename_all = "kebab-case")]
    pub enum WithheldFor {
        /// A runner has it.
        Leased,
        /// Somebody switched replays off.
        Paused,
        /// As many replays as the budget allows for a day.
        Budget,
        /// The last replay was too short a time ago.
        Cooldown,
        /// The runner knows no scraper for it.
        NoScraper,
        /// The last run failed for reasons of its own; the next try waits a little longer each time.
        Backoff,
    }

    /// What is to be done about a drift.
    #[derive(Copy)]
    #[serde(rename_all = "kebab-case")]
    pub enum Task {
        /// Reported and not looked at: run the scraper.
        Replay,
        /// Its issue was closed: run the scraper to see whether the fix holds.
        Verify,
        /// Confirmed by a run that did not get to its end: the issue is to be opened (or found), nothing to be run.
        Open,
        /// The same with an issue that is there and closed.
        Reopen,
        /// Reported again while its issue is open: count it there, run nothing.
        Bump,
        /// The fix holds: say so at the issue, run nothing.
        Settle,
    }

    /// Asks for the work of one service.
    #[serde(deny_unknown_fields)]
    pub struct Claim {
        /// Drawn by the runner, so that a claim whose answer was lost can be sent again.
        pub run: Uuid,
        pub service: Service,
        /// Name of the runner, for people.
        pub runner: String,
        pub lease_seconds: u32,
        /// None: tasks that need no scraper only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub budget: Option<Budget>,
        /// Somebody asks for it by hand: replay every known step of the service, or those reported, within the budget.
        #[serde(default)]
        pub by_hand: bool,
    }

    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct Budget {
        pub per_day: u32,
        pub cooldown_seconds: u32,
    }

    pub struct Claimed {
        /// None: there is nothing to do, or it is withheld.
        #[cfg_attr(feature = "describe", schema(required))]
        pub run: Option<Run>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub withheld: Option<Withheld>,
    }

    pub struct Run {
        pub run: Uuid,
        pub service: Service,
        /// To be sent with everything that follows; of two runners that believe to have the lease, the higher one has it.
        pub token: i64,
        pub leased_until: Micros,
        pub drifts: Vec<ClaimedDrift>,
        /// What earlier replays left at the provider and nobody has removed yet.
        pub leftovers: Vec<Leftover>,
    }

    pub struct Leftover {
        pub kind: ResourceKind,
        pub id: String,
    }

    pub struct ClaimedDrift {
        pub step: Step,
        pub step_hash: StepHash,
        pub task: Task,
        /// Where the log was: what came later is for the next run.
        pub up_to: i64,
        pub seen: Seen,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub issue: Option<Issue>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fixed_in: Option<ScraperVersion>,
        /// When somebody said so, where that is not what a replay has found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fix_declared: Option<Micros>,
        /// The last run that passed this step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub last_good: Option<Good>,
        /// The first and the latest proof that it is broken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub first_bad: Option<Micros>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub proof: Option<Proof>,
    }

    /// What was reported of a drift.
    #[derive(Default)]
    pub struct Seen {
        pub reports: i64,
        /// Of these not handled before this run.
        pub fresh: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub first: Option<Micros>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub last: Option<Micros>,
        /// The commonest first, at most twenty each.
        pub kinds: Vec<Counted>,
        pub versions: Vec<Counted>,
        pub hosts: Vec<Counted>,
        pub digests: Vec<Counted>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub screenshot_ref: Option<Digest>,
    }

    pub struct Counted {
        pub value: String,
        pub count: i64,
    }

    /// A run passed the step, and saw this.
    pub struct Good {
        pub at: Micros,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tree: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
    }

    /// What a run saw where it tripped. The digests name artifacts; one that could not be stored is missing.
    #[serde(deny_unknown_fields)]
    pub struct Proof {
        pub at: Micros,
        pub kind: TripwireKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub url_host: Option<Host>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub dom_digest: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub screenshot: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tree: Option<Digest>,
        /// Of how many tries, how many tripped.
        pub tries: u32,
        pub tripped: u32,
        /// Evidence that could not be stored, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub missing: Vec<String>,
    }

    /// An issue at the tracker.
    pub struct Issue {
        pub tracker: String,
        pub number: u64,
        pub url: String,
        pub state: IssueState,
    }

    #[derive(Copy)]
    #[serde(rename_all = "kebab-case")]
    pub enum IssueState {
        Open,
        Closed,
    }

    pub struct IssueToAsk {
        pub service: Service,
        pub step: Step,
        pub step_hash: StepHash,
        pub issue: Issue,
    }

    #[derive(Copy)]
    pub struct Leased {
        pub leased_until: Micros,
    }

    #[serde(deny_unknown_fields)]
    pub struct Heartbeat {
        pub token: i64,
        pub lease_seconds: u32,
    }

    /// What a run found about one of its drifts.
    #[serde(deny_unknown_fields)]
    pub struct Judged {
        pub token: i64,
        pub step: Step,
        pub verdict: Verdict,
        /// For `confirmed`, and for that alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub proof: Option<Proof>,
        /// The failure's code, in a word or a few.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub code: Option<FailureCode>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
    }

    /// What a replay found.
    #[derive(Copy)]
    #[serde(rename_all = "snake_case")]
    pub enum Verdict {
        /// The reported step trips.
        Confirmed,
        /// The replay passed the reported step.
        NotReproduced,
        /// A bot wall or captcha stood before it.
        Blocked,
        /// The account did not get in.
        Auth,
        /// Our own side failed; says nothing about the page.
        Infra,
    }

    /// What is to be done now that the verdict is known.
    pub struct Judgement {
        #[cfg_attr(feature = "describe", schema(required))]
        pub next: Option<Task>,
    }

    /// A step that a replay passed.
    #[serde(deny_unknown_fields)]
    pub struct Passed {
        pub token: i64,
        pub step: Step,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tree: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scraper_version: Option<ScraperVersion>,
    }

    /// Something that a replay left at the provider.
    #[serde(deny_unknown_fields)]
    pub struct Left {
        pub token: i64,
        pub kind: ResourceKind,
        pub id: String,
    }

    /// A task at the tracker is done.
    #[serde(deny_unknown_fields)]
    pub struct Done {
        pub token: i64,
        pub step: Step,
        pub task: Task,
        /// The issue as it is now.
        pub issue: Issue,
    }

    #[serde(deny_unknown_fields)]
    pub struct Finish {
        pub token: i64,
        pub ending: Ending,
        /// Of the scraper's log, masked.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub log_tail: String,
        /// Steps with their durations in milliseconds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub steps: Vec<StepTaken>,
        /// What a replay, this or an earlier one, had left and is gone again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub cleaned: Vec<Leftover>,
    }

    pub struct StepTaken {
        pub step: Step,
        pub millis: u64,
    }

    #[derive(Copy)]
    #[serde(rename_all = "kebab-case")]
    pub enum Ending {
        /// Every drift was dealt with.
        Done,
        /// Some are left for the next run.
        Partly,
    }

    /// All issues of an answer were asked about.
    #[serde(deny_unknown_fields)]
    pub struct Asked {
        /// Of that answer.
        pub as_of: Micros,
    }

    /// What the tracker says of an issue, by webhook or because it was asked.
    #[serde(deny_unknown_fields)]
    pub struct Observed {
        pub service: Service,
        pub step_hash: StepHash,
        pub issue: Observation,
    }

    #[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
    pub enum Observation {
        Open,
        Closed,
        /// Deleted, or moved to where we cannot see it.
        Gone,
        /// Moved within reach.
        Moved { number: u64, url: String },
    }
}

impl Task {
    /// Whether the scraper is run for it.
    pub fn is_replay(self) -> bool {
        matches!(self, Self::Replay | Self::Verify)
    }
}

impl Spent {
    /// Why the scraper may not run now, as far as a budget says. `urgent` is somebody who waits for it: cool-down and backoff do
    /// not hold them up.
    pub fn withheld(&self, budget: Budget, urgent: bool, now: Micros) -> Option<Withheld> {
        let withheld = |reason, until| {
            Some(Withheld {
                reason,
                until: Some(until),
            })
        };
        if self.today >= budget.per_day {
            return withheld(
                WithheldFor::Budget,
                now.day().start().plus_seconds(DAY_SECONDS),
            );
        }
        // A replay in the future is one of a clock that was wrong.
        let last = self
            .last
            .filter(|last| *last <= now.plus_seconds(DAY_SECONDS));
        let (Some(last), false) = (last, urgent) else {
            return None;
        };
        let cooldown = i64::from(budget.cooldown_seconds);
        let (reason, wait) = match self.inconclusive {
            0 => (WithheldFor::Cooldown, cooldown),
            tries => (
                WithheldFor::Backoff,
                cooldown.saturating_mul(1 << tries.min(10)).min(DAY_SECONDS),
            ),
        };
        let until = last.plus_seconds(wait);
        if until > now.plus_seconds(SLACK_SECONDS.min(wait / 10)) {
            return withheld(reason, until);
        }
        None
    }
}

const DAY_SECONDS: i64 = 86_400;
/// A cron that is due each hour is not due to the second.
const SLACK_SECONDS: i64 = 300;

fn is_zero(number: &u32) -> bool {
    *number == 0
}
