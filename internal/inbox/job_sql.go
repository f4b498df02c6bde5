package inbox

// JobName and JobSQL are the statement that asks for a job: whoever holds a transaction
// runs it there, with the job's name, the tenant, the subject, and the time before which
// it must not be done, or NULL for at once. What is asked for is done if the transaction
// commits. The row and the notification are those of River's own insert, so that the
// workers of jobs take it up at once where one is free.
const (
	JobName = "inbox_job"
	JobSQL  = `
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
