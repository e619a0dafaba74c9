//! The triage pages as people have them: a real server, a real runner with a real scraper, and a browser that is driven through
//! the pages by `tests/browser/`. Pictures of all pages are left in `target/pages`.

mod world;

use harness::browser_story::play;
use harness::{Engine, on_both};
use serde_json::json;

use world::{HOSTILE, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_readable_in_light_and_dark_at_a_desk_and_on_a_phone() {
    let world = World::with_a_real_drift(Engine::Sqlite).await;
    play("looks", world.told(json!({})).await, async |asked| {
        panic!("{asked}")
    })
    .await;
    world.finish().await;
}

on_both! {
    async fn what_strangers_write_is_shown_and_does_nothing(engine: Engine) {
        let world = World::with_hostile_words(engine).await;
        let more = json!({"hostile": HOSTILE});
        play("hostile", world.told(more).await, async |asked| panic!("{asked}")).await;
        world.finish().await;
    }

    async fn somebody_signs_in_sees_a_drift_come_compares_mutes_replays_and_leaves(engine: Engine) {
        let world = World::with_a_changed_page(engine).await;
        play("triage", world.told(json!({})).await, async |asked| {
            assert_eq!(asked, "tick");
            world.tick().await
        })
        .await;
        world.finish().await;
    }
}
