package inbox

import (
	"encoding/json"
	"strings"
)

const (
	clerkName    = "clerk"
	kindAccepted = "organizationInvitation.accepted"
)

// clerkEvent is what an event of Clerk's holds beside personal text.
type clerkEvent struct {
	Object     plainWord `json:"object,omitempty"`
	Type       plainWord `json:"type,omitempty"`
	InstanceID plainID   `json:"instance_id,omitempty"`
	Data       struct {
		ID             plainID   `json:"id,omitempty"`
		Object         plainWord `json:"object,omitempty"`
		OrganizationID plainID   `json:"organization_id,omitempty"`
		UserID         plainID   `json:"user_id,omitempty"`
		Organization   struct {
			ID plainID `json:"id,omitempty"`
		} `json:"organization,omitzero"`
		PublicUserData struct {
			UserID plainID `json:"user_id,omitempty"`
		} `json:"public_user_data,omitzero"`
	} `json:"data,omitzero"`
}

func readClerkEvent(body []byte) (clerkEvent, bool) {
	var e clerkEvent
	return e, readable(json.Unmarshal(body, &e))
}

func reducedClerk(body []byte) []byte {
	e, ok := readClerkEvent(body)
	if !ok {
		return []byte(`{}`)
	}
	return written(e)
}

func clerkThing(kind string, body []byte) Thing {
	e, ok := readClerkEvent(body)
	if !ok {
		return Thing{}
	}
	id, org, user := e.Data.ID.own(), e.Data.OrganizationID.own(), e.Data.UserID.own()
	about, _, _ := strings.Cut(kind, ".")
	switch about {
	case "user":
		return Thing{Party: id, Subject: subject(about, id), Person: id, About: named("user", id)}
	case "organization":
		return Thing{Party: id, Subject: subject(about, id), About: named("organization", id)}
	case "organizationMembership":
		org, user = e.Data.Organization.ID.own(), e.Data.PublicUserData.UserID.own()
		return Thing{Party: org, Subject: subject(about, org, user), Person: user, About: named("user", user) + named(" in organization", org)}
	case "organizationInvitation":
		t := Thing{Party: org, Subject: subject(about, org, id), Person: user, About: named("invitation", id) + named(" of organization", org)}
		if kind == kindAccepted {
			// The event alone says who accepted: it is never settled by another of the invitation.
			t.Subject = subject("acceptance", org, id)
		}
		return t
	}
	return Thing{Person: user, About: named("", id)}
}

// subject is the name of what is fetched, or "" where an id of it is missing.
func subject(about string, ids ...string) string {
	for _, id := range ids {
		if id == "" {
			return ""
		}
		about += " " + id
	}
	return about
}

// named is "what id", or "" where there is no id.
func named(what, id string) string {
	switch {
	case id == "":
		return ""
	case what == "":
		return id
	}
	return what + " " + id
}
