//! The two moments in which a key is held against the live service: the stored one before, the new one after.

use drift_schema::scraper::ApiKey;
use drift_schema::{Micros, Service};

use super::{Code, Ending, Provisioner, Stage, Trace};
use crate::services::ServiceEntry;
use crate::verify::{Verification, verify};

impl Provisioner {
    /// The key that is there already, if it settles the matter.
    pub(super) async fn existing(
        &self,
        service: &Service,
        known: &ServiceEntry,
        on_stage: &mut impl FnMut(Stage<'_>),
        trace: &mut Trace,
    ) -> Option<Ending> {
        let key = match self.store.load(service) {
            Ok(key) => key?,
            Err(error) => {
                let why = format!("the stored key cannot be read: {error}");
                return Some(Ending::failed(Code::StoreFailed, why));
            }
        };
        on_stage(Stage::Checking);
        let verification = verify(known, &key).await;
        trace.verification = Some(verification);
        trace.tier_used = Some("stored");
        let masked = key.masked();
        match verification {
            Verification::Valid => Some(Ending::AlreadyValid {
                key: masked,
                stored_in: self.store.place(service),
            }),
            Verification::Phantom => {
                let note =
                    format!("the stored key {masked} is no longer accepted: making a new one");
                trace.notes.push(note);
                None
            }
            Verification::EndpointDown => Some(Ending::failed(
                Code::VerificationEndpointDown,
                format!("{service} did not answer whether the stored key {masked} is still good"),
            )),
            Verification::RateLimited => Some(Ending::failed(
                Code::VerificationRateLimited,
                format!(
                    "{service} is limiting requests, so the stored key {masked} could not be checked"
                ),
            )),
        }
    }

    /// Only a key that the live service takes is stored.
    pub(super) async fn keep(
        &self,
        service: &Service,
        known: &ServiceEntry,
        key: &ApiKey,
        trace: &mut Trace,
    ) -> Ending {
        let masked = key.masked();
        let verification = verify(known, key).await;
        trace.verification = Some(verification);
        match verification {
            Verification::Valid => {}
            Verification::Phantom => {
                let why = format!(
                    "{service} refuses the key {masked} that the scraper found; it was not stored"
                );
                return Ending::failed(Code::VerificationFailed, why);
            }
            Verification::EndpointDown => {
                let why = format!(
                    "{service} did not answer whether the new key {masked} is good; it was not stored"
                );
                return Ending::failed(Code::VerificationEndpointDown, why);
            }
            Verification::RateLimited => {
                let why = format!(
                    "{service} is limiting requests, so the new key {masked} could not be verified; it was not stored"
                );
                return Ending::failed(Code::VerificationRateLimited, why);
            }
        }
        match self.store.save(service, key, Micros::now()) {
            Ok(()) => Ending::Provisioned {
                key: masked,
                stored_in: self.store.place(service),
            },
            Err(error) => {
                let why = format!("the key {masked} is good, but could not be stored: {error}");
                Ending::failed(Code::StoreFailed, why)
            }
        }
    }
}
