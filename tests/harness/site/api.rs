//! What scripts and programs ask of the site: keys, accounts, models, and the tests' own switches.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::pages::who;
use super::{Site, Switch};

pub async fn create_key(site: Data<Site>, request: HttpRequest, body: Json<Value>) -> HttpResponse {
    let Some(owner) = who(&site, &request) else {
        return HttpResponse::Unauthorized().finish();
    };
    let name = body["name"].as_str().unwrap_or("key");
    let secret = if site.is(Switch::Phantom) {
        site.key_like("nobody ever issued this one")
    } else {
        site.issue(&owner, name)
    };
    HttpResponse::Ok().json(json!({"key": secret}))
}

pub async fn revoke_key(site: Data<Site>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let Some(owner) = who(&site, &request) else {
        return HttpResponse::Unauthorized().finish();
    };
    let id = id.into_inner();
    site.state()
        .keys
        .retain(|key| key.id != id || key.owner != owner);
    HttpResponse::NoContent().finish()
}

pub async fn delete_account(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let Some(owner) = who(&site, &request) else {
        return HttpResponse::Unauthorized().finish();
    };
    let mut state = site.state();
    state.accounts.remove(&owner);
    state.keys.retain(|key| key.owner != owner);
    HttpResponse::NoContent().finish()
}

pub async fn models(site: Data<Site>, request: HttpRequest) -> HttpResponse {
    let sent = request.headers().get("authorization");
    let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let issued = sent.is_some_and(|sent| site.state().keys.iter().any(|key| key.secret == sent));
    if issued {
        let models = json!({"object": "list", "data": [{"id": "small-1", "object": "model"}]});
        return HttpResponse::Ok().json(models);
    }
    let error =
        json!({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}});
    HttpResponse::Unauthorized().json(error)
}

/// `["tos", "slow"]`: these are on from now, all others off.
pub async fn set_switches(site: Data<Site>, names: Json<Vec<String>>) -> HttpResponse {
    let switches: Result<_, String> = names.iter().map(|name| name.parse()).collect();
    match switches {
        Ok(switches) => {
            site.state().switches = switches;
            HttpResponse::NoContent().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error),
    }
}

pub async fn state(site: Data<Site>) -> HttpResponse {
    let state = site.state();
    let accounts: Vec<Value> = state
        .accounts
        .iter()
        .map(|(address, account)| {
            json!({"address": address, "code": account.code, "confirmed": account.confirmed})
        })
        .collect();
    let keys: Vec<Value> = state
        .keys
        .iter()
        .map(
            |key| json!({"id": key.id, "name": key.name, "owner": key.owner, "secret": key.secret}),
        )
        .collect();
    let switches: Vec<&str> = state.switches.iter().map(|switch| switch.name()).collect();
    HttpResponse::Ok().json(json!({
        "service": site.layout.service, "switches": switches, "accounts": accounts,
        "keys": keys, "visits": state.visits,
    }))
}
