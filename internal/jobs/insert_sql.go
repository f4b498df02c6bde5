package jobs

// InsertName and InsertSQL are the statement that enqueues a job in the caller's transaction.
// Its arguments are the job's name, the tenant, the subject, and the time before which it must
// not run, or NULL for now. The job runs if the transaction commits. The row and the
// notification are those of River's own insert, so that a free worker begins at once.
const (
	InsertName = "jobs_insert"
	InsertSQL  = `
		WITH job AS (
		    INSERT INTO river_job (kind, args, queue, priority, max_attempts, created_at, scheduled_at, state, metadata, tags)
		    SELECT 'inbox_job',
		           jsonb_build_object('name', $1::text, 'tenant', $2::text, 'subject', $3::text),
		           'jobs', 2, 32767, now(),
		           coalesce($4::timestamptz, now()),
		           CASE WHEN $4::timestamptz > now() THEN 'scheduled' ELSE 'available' END::river_job_state,
		           '{}', '{}'
		 RETURNING state
		)
		SELECT pg_notify(concat(current_schema(), '.river_insert'), '{"queue": "jobs"}')
		  FROM job
		 WHERE state = 'available'`
)
