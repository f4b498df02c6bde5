package directory

import (
	"encoding/json"
	"errors"
	"strings"
)

// What an event can be about.
const (
	aboutUser         = "user"
	aboutOrganization = "organization"
	aboutMembership   = "organizationMembership"
	aboutInvitation   = "organizationInvitation"
)

// aboutOf is what events of the kind are about, or "" where we do not care.
func aboutOf(kind string) string {
	about, _, _ := strings.Cut(kind, ".")
	switch about {
	case aboutUser, aboutOrganization, aboutMembership, aboutInvitation:
		return about
	}
	return ""
}

// hint names what is to be fetched.
type hint struct {
	about        string
	organization string
	user         string
	invitation   string
}

// provider is whose events say something of people.
const provider = "clerk"

var errProvider = errors.New("the event was signed by somebody who has no say in it")

var errNoIDs = errors.New("the event does not name what it is about")

// readHint reads the ids out of an event; nothing else of it is believed.
func readHint(kind string, body []byte) (hint, error) {
	var event struct {
		Data struct {
			ID             string `json:"id"`
			OrganizationID string `json:"organization_id"`
			Organization   struct {
				ID string `json:"id"`
			} `json:"organization"`
			Person struct {
				UserID string `json:"user_id"`
			} `json:"public_user_data"`
			UserID string `json:"user_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return hint{}, errors.New("the event cannot be read") // the error quotes it
	}
	data := event.Data
	h := hint{about: aboutOf(kind)}
	switch h.about {
	case aboutUser:
		h.user = data.ID
	case aboutOrganization:
		h.organization = data.ID
	case aboutMembership:
		h.organization, h.user = data.Organization.ID, data.Person.UserID
	case aboutInvitation:
		h.organization, h.invitation, h.user = data.OrganizationID, data.ID, data.UserID
	}
	missing := h.about == "" || h.about != aboutUser && h.organization == "" ||
		(h.about == aboutUser || h.about == aboutMembership) && h.user == "" ||
		h.about == aboutInvitation && h.invitation == ""
	if missing {
		return hint{}, errNoIDs
	}
	return h, nil
}
