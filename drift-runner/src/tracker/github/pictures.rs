//! Pictures as files on an orphan branch: it shares no history with the code, and a file is named by its content, since GitHub's
//! cache shows a replaced one for ever.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drift_schema::Digest;
use serde_json::{Value, json};

use super::Github;
use crate::tracker::board::Trouble;

const BRANCH: &str = "drift-evidence";
const RIGHT: &str = "contents: write";

impl Github {
    pub(super) async fn commit_picture(
        &self,
        digest: &Digest,
        png: &[u8],
    ) -> Result<String, Trouble> {
        let file = format!("pictures/{digest}.png");
        let path = self.repository.path(&format!("/contents/{file}"));
        // Relative, so that it works in private repositories too, for those who may see them.
        let target = format!("../blob/{BRANCH}/{file}?raw=true");
        let body = json!({"message": format!("Add {digest}"), "content": STANDARD.encode(png), "branch": BRANCH});
        let mut is_branch_lost = false;
        for _ in 0..3 {
            self.ensure_branch().await?;
            if self
                .caller
                .get(&format!("{path}?ref={BRANCH}"))
                .await?
                .status
                == 200
            {
                return Ok(target);
            }
            let answer = self.caller.write("PUT", &path, &body).await;
            match answer {
                // 409: somebody else committed at the same moment. 422: it is there by now.
                Ok(answer) if matches!(answer.status, 409 | 422) => {}
                // Somebody removed the branch since we made it; or a right is missing, for which GitHub says 404 too.
                Ok(answer) if answer.status == 404 && !is_branch_lost => {
                    is_branch_lost = true;
                    *self.branch.lock().await = false;
                }
                Ok(answer) => {
                    return answer
                        .expect(&[200, 201], "commit a screenshot", RIGHT)
                        .map(|_| target);
                }
                Err(Trouble::Unknown { .. }) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Later {
            why: "the screenshot could not be committed".to_owned(),
            until: None,
        })
    }

    async fn ensure_branch(&self) -> Result<(), Trouble> {
        let mut is_there = self.branch.lock().await;
        if *is_there {
            return Ok(());
        }
        let found = self
            .caller
            .get(&self.repository.path(&format!("/git/ref/heads/{BRANCH}")))
            .await?;
        if found.status != 200 {
            let text = "Screenshots of the drift tracker. Issues refer to them; this branch shares no history with the code.\n";
            let tree = json!({"tree": [{"path": "README.md", "mode": "100644", "type": "blob", "content": text}]});
            let tree = self.git("trees", &tree).await?;
            let commit =
                json!({"message": "Begin the evidence branch", "tree": tree["sha"], "parents": []});
            let commit = self.git("commits", &commit).await?;
            let reference = json!({"ref": format!("refs/heads/{BRANCH}"), "sha": commit["sha"]});
            // 422: somebody else has made it meanwhile.
            let answer = self
                .caller
                .write("POST", &self.repository.path("/git/refs"), &reference)
                .await?;
            answer.expect(&[201, 422], "make the branch for screenshots", RIGHT)?;
        }
        *is_there = true;
        Ok(())
    }

    async fn git(&self, what: &str, body: &Value) -> Result<Value, Trouble> {
        let answer = self
            .caller
            .write("POST", &self.repository.path(&format!("/git/{what}")), body)
            .await?;
        answer
            .expect(&[201], "make the branch for screenshots", RIGHT)?
            .json()
    }
}
