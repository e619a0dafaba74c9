-- Drifts that a wall keeps from being looked at have a label of their own, so that who lists them reads no others. Twin of
-- sqlite/0007_stuck.sql.
UPDATE drifts SET stage = 'stuck' WHERE stage = 'unconfirmed' AND state::json #>> '{judged,verdict}' IN ('blocked', 'auth');
