package tenancy

import "strings"

// A list is read off an index in the order in which it is shown, so that a page costs what
// its rows cost. PostgreSQL may prefer to read a whole tenant and sort, where its
// statistics say that this is little: statistics are of all tenants together and older than
// the rows, and a prepared statement soon has one plan for all of them. So the preamble of
// a statement that is Listing takes the other ways from the planner, for its transaction.
// With them a statement that names an order has one plan, whatever the statistics say.
//
// A list also has less time than other statements, unless the URL of the database sets the
// time: it is stopped early where a plan is bad all the same.
const listingSQL = preambleSQL + `,
		       set_config('enable_sort', 'off', true),
		       set_config('enable_incremental_sort', 'off', true),
		       set_config('enable_seqscan', 'off', true),
		       set_config('enable_bitmapscan', 'off', true),
		       set_config('enable_hashjoin', 'off', true),
		       set_config('enable_mergejoin', 'off', true),
		       set_config('enable_material', 'off', true),
		       set_config('jit', 'off', true),
		       set_config('statement_timeout', CASE current_setting('statement_timeout')
		                                       WHEN '5s' THEN '2s' ELSE current_setting('statement_timeout') END, true)`

var preambleOfLists = Statement{Name: "preamble_of_lists", SQL: listingSQL}

// preambleOf returns the preamble that the statement travels behind.
func preambleOf(s Statement) Statement {
	if s.Listing {
		return preambleOfLists
	}
	return preamble
}

// ListingSettings returns the statement that sets what the preamble of a list sets, for
// tests that look at plans.
func ListingSettings() string {
	_, settings, _ := strings.Cut(listingSQL, "AS known,")
	return "SELECT " + settings
}
