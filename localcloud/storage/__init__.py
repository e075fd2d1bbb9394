"""Cloud Storage on one machine: the JSON API over a folder of plain files, and Eventarc's finalize events.

A request travels `app` (routes) → `*_routes` (parsing) → `buckets`, `objects`, `uploads` (state) → `errors`
(answers). Names, preconditions, ranges, multipart bodies, listings and events are pure modules beside them;
only `folder`, `database` and `dispatcher` touch the disk or the network.
"""
