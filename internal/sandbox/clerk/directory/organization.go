package directory

import (
	"crypto/rand"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const nameMax = 256 // characters of an organization's name

var (
	slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

var (
	noSlug = regexp.MustCompile(`[^a-z0-9]+`)
)

// AddOrganization makes an organization, with its creator as admin where there is one. An empty slug is made of the name.
func (d *Directory) AddOrganization(o Organization, creator *Person) (*Organization, error) {
	if o.Slug == "" {
		o.Slug = d.SlugOf(o.Name)
	}
	if err := d.CheckOrganization("", o.Name, o.Slug); err != nil {
		return nil, err
	}
	now := d.Millis()
	o.ID, o.Order, o.created, o.updated = kit.FreshID("org_"), d.NextOrder(), now, now
	o.AdminDelete, o.Members = true, map[string]Membership{}
	if creator != nil {
		o.creator = creator.ID
	}
	d.Organizations[o.ID] = &o
	d.emit("organization.created", o.JSON())
	if creator != nil {
		d.join(&o, *creator, Membership{Role: AdminRole})
	}
	return &o, nil
}

// ChangeOrganization stores a changed organization; o is a copy of it.
func (d *Directory) ChangeOrganization(o Organization) (*Organization, error) {
	if err := d.CheckOrganization(o.ID, o.Name, o.Slug); err != nil {
		return nil, err
	}
	o.updated = d.Millis()
	d.Organizations[o.ID] = &o
	d.emit("organization.updated", o.JSON())
	return &o, nil
}

// CheckOrganization checks a name and a slug; id is whose they are to be, empty for a new organization.
func (d *Directory) CheckOrganization(id, name, slug string) error {
	if strings.TrimSpace(name) == "" {
		return MissingParam("name")
	}
	if len([]rune(name)) > nameMax {
		return BadParam("name", "form_param_max_length_exceeded", "exceeds maximum length", "name should not exceed %d characters.", nameMax)
	}
	if !slugForm.MatchString(slug) {
		return BadParam("slug", "form_param_format_invalid", "is invalid",
			`slug can contain only lowercase alphanumeric characters and the dash "-".`)
	}
	for _, o := range d.Organizations {
		if o.Slug == slug && o.ID != id {
			return BadParam("slug", "form_identifier_exists", "already exists", "That slug is taken. Please try another.")
		}
	}
	return nil
}

// SlugOf returns a slug for a name that no organization has yet.
func (d *Directory) SlugOf(name string) string {
	slug := strings.Trim(noSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if slug == "" {
		slug = "org"
	}
	for d.CheckOrganization("", name, slug) != nil && strings.TrimSpace(name) != "" && len([]rune(name)) <= nameMax {
		slug += "-" + strings.ToLower(rand.Text()[:6])
	}
	return slug
}

// DeleteOrganization deletes an organization with its members and invitations. Clerk sends the event of the organization alone.
func (d *Directory) DeleteOrganization(o *Organization) deletedJSON {
	delete(d.Organizations, o.ID)
	maps.DeleteFunc(d.Invitations, func(_ string, i Invitation) bool { return i.Organization == o.ID })
	deleted := deletedJSON{Object: "organization", ID: o.ID, Slug: o.Slug, Deleted: true}
	d.emit("organization.deleted", deleted)
	return deleted
}

// CheckQuota refuses one more member or invitation where the organization is full.
func (d *Directory) CheckQuota(o *Organization) error {
	if o.MaxMembers == 0 || int64(len(o.Members)+d.PendingFor(o.ID, "", d.Millis())) < o.MaxMembers {
		return nil
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "organization_membership_quota_exceeded", Short: "organization membership quota exceeded",
		Message: "You have reached your limit of organization memberships, including outstanding invitations.",
	}
}

// Organization is a Clerk organization with its members.
type Organization struct {
	ID, Slug, Name                  string
	creator                         string                // user id, or empty
	MaxMembers                      int64                 // invitations that are pending included; 0: no limit
	AdminDelete                     bool                  // its admins may delete it
	Plain                           bool                  // its roles carry no custom permissions, as in a new instance
	Members                         map[string]Membership // by user id
	PublicMetadata, PrivateMetadata map[string]any
	created, updated                int64
	Order                           int
}

// OrganizationNamed finds an organization by id or slug, as people write it.
func (d *Directory) OrganizationNamed(org string) (*Organization, error) {
	for _, o := range d.Organizations {
		if o.ID == org || o.Slug == org {
			return o, nil
		}
	}
	return nil, kit.Refuse(http.StatusNotFound, "There is no organization %q.", org)
}

// FindMembership finds a person's place in an organization.
func (o *Organization) FindMembership(p Person) (Membership, error) {
	m, ok := o.Members[p.ID]
	if !ok {
		return Membership{}, kit.Refuse(http.StatusForbidden, "%s is not a member of %s.", p.ID, o.Slug)
	}
	return m, nil
}

// Permissions returns those of the member's role that a token may carry. The slice is the caller's.
func (o *Organization) Permissions(m Membership) []string {
	if o.Plain {
		return nil
	}
	return slices.Clone(rolePermissions[m.Role])
}
