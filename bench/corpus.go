package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// corpusSeed makes the texts the same in every run.
const corpusSeed = 20261121

var (
	verbs = []string{
		"Review", "Prepare", "Publish", "Translate", "Schedule", "Replace", "Document", "Invite", "Archive", "Compare",
		"Order", "Collect", "Rewrite", "Announce", "Measure", "Rehearse",
	}
	things = []string{
		"match report", "sponsor contract", "spring tournament", "travel budget", "training plan", "stream overlay",
		"player interviews", "ticket prices", "venue checklist", "press release", "team jerseys", "opening ceremony",
	}
	occasions = []string{
		"for the finals", "before Friday", "with the referees", "for new members", "after the semifinal", "for next season",
		"with the caterer", "for the website",
	}
	notes = []string{
		"Ask the organizers for the latest figures first.", "Two people should read it before it goes out.",
		"The old version is in the shared folder.", "Keep the answer of the venue with it.", "It has to be done before the doors open.",
		"Nobody has looked at this since the last season.", "The budget for this was agreed on in March.",
		"Leave a line here when it is under way.",
	}
)

const (
	nameAbout        = 40  // characters
	descriptionAbout = 120 // characters
)

// corpus makes names and descriptions such as people write, always in the same order.
type corpus struct{ random *rand.Rand }

func newCorpus(stream uint64) *corpus {
	return &corpus{random: rand.New(rand.NewPCG(corpusSeed, stream))} //nolint:gosec // texts, nothing to guess
}

func (c *corpus) pick(from []string) string { return from[c.random.IntN(len(from))] }

// name is 36 to 44 characters long.
func (c *corpus) name() string {
	s := fmt.Sprintf("%s the %s %s", c.pick(verbs), c.pick(things), c.pick(occasions))
	return fit(s, ", part 2 of the list", nameAbout-4, nameAbout+4)
}

// description is 110 to 130 characters long.
func (c *corpus) description() string {
	s := strings.Join([]string{c.pick(notes), c.pick(notes), c.pick(notes)}, " ")
	return fit(s, " More about it will follow.", descriptionAbout-10, descriptionAbout+10)
}

// fit lengthens or cuts an ASCII text.
func fit(s, more string, least, most int) string {
	for len(s) < least {
		s += more
	}
	if len(s) > most {
		s = strings.TrimRight(s[:most], " ")
	}
	return s
}
