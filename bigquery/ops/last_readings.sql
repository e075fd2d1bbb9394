-- Which reading of a file counts. A file may be read several times: by a replay, by the parts of a batch that
-- was divided, by a run after one that failed. The ledger has a reading once its batch has ended, so one that
-- still runs, waits for another try, was divided or was given up as a replay replaces none.
CREATE OR REPLACE VIEW ops.last_readings
OPTIONS (
  description = 'Of each file the batch of its last reading in the ledger: the one whose rejected rows count.'
) AS
SELECT
  _file.dataset,
  _file.source_uri,
  _file.source_generation,
  ANY_VALUE(_file.batch_id HAVING MAX _file.claimed_at) AS batch_id
FROM ops.files AS _file
WHERE _file.state != 'superseded'
GROUP BY _file.dataset, _file.source_uri, _file.source_generation;
