//! Who looks at a page.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use drift_schema::{Scope, Workspace};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::PageError;
use crate::http::State;

/// Somebody who may read the pages of a workspace. A handler that takes one is only called with one.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) workspace: Workspace,
    /// As the page greets them: the name of their key.
    pub(crate) name: String,
    /// Whether they may change anything.
    pub(crate) may_act: bool,
    /// Stands in every form, and comes back with it.
    #[allow(dead_code, reason = "for the forms of actions")]
    pub(crate) csrf: String,
    /// As the log has them: the id of their key.
    pub(crate) by: String,
}

impl Viewer {
    /// Whether what let them in is still good; for streams, which go on for long.
    pub(crate) fn may_still_look(&self, state: &State) -> bool {
        state.keyring.still_knows(&self.by)
    }
}

impl FromRequest for Viewer {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let state = request
                .app_data::<Data<State>>()
                .ok_or(PageError::Internal)?;
            let key = state.authorise(&request, &[Scope::Read]).await?;
            Ok(Self {
                workspace: key.workspace.clone(),
                name: key.name.clone(),
                may_act: key.may(&[]),
                csrf: String::new(),
                by: key.id.clone(),
            })
        }
        .boxed_local()
    }
}
