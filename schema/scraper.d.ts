// What a scraper writes on its standard output, one JSON object per line. Printed from the Rust types.

/** A step begins. */
export interface ProgressLine {
  type: "progress";
  step: Step;
  /** Masked tree of the page that the step before worked on: what later pages are compared with. A line that names the same step again brings that step's own; so the last one gets its tree. */
  tree?: string | null;
}

/** Something now exists at the provider that somebody may want to remove: an account, a key. */
export interface ResourceLine {
  type: "resource";
  /** What the clean-up command needs to find it; never a secret. */
  id: string;
  kind: ResourceKind;
}

/** Last line: the page has another shape than the scraper expected. Exit with 0 after it: a handoff, not a crash. */
export interface TripwireLine {
  type: "tripwire";
  /** Shape of the page, without its content. Without it nothing can be reported. */
  dom_digest?: Digest | null;
  kind: TripwireKind;
  /** With this the scraper can go on where it stopped. One is drawn for scrapers that have none. */
  resume_token?: string | null;
  /** Version of the scraper, for the report. Without it the version of `scrapers.toml` counts. */
  scraper_version?: ScraperVersion | null;
  /** A PNG with everything personal blacked out before it was taken. */
  screenshot_b64?: string | null;
  step: Step;
  /** Masked tree of the page, for people who compare. */
  tree?: string | null;
  /** Where it happened. Only the host ever leaves the machine; without it nothing can be reported. */
  url?: string | null;
}

/** Last line: it worked, and this is the key. */
export interface SuccessLine {
  type: "success";
  api_key: string;
}

/** Last line: it did not work, and the page's shape is not to blame: `bad_credentials`, `bot_wall`, `captcha`. */
export interface ErrorLine {
  type: "error";
  code: FailureCode;
  /** For the person who reads the log. */
  details?: string | null;
}

/** One line of a scraper's standard output. */
export type ScraperLine = ProgressLine | ResourceLine | TripwireLine | SuccessLine | ErrorLine;

/** Lower-hex SHA-256: the shape of a page, or the name of an artifact. */
export type Digest = string;

/** Why a scraper gave up where no page had changed: `bad_credentials`. An open set. */
export type FailureCode = string;

/** What a scraper left at a provider: `account`, `key`. */
export type ResourceKind = string;

/** The version of the scraper that tripped: semver, as the scraper declared it. */
export type ScraperVersion = string;

/** The step of the flow that tripped: `signup-form`. */
export type Step = string;

/** How the shape of the page surprised the scraper. */
export type TripwireKind = "selector-missing" | "unexpected-nav" | "timeout";
