package sandbox

import "strings"

type stripeFunction func(*stripeAccount, stripeRequest) (any, error)

// stripeMethods are the methods of Stripe's API that the sandbox knows.
var stripeMethods = map[string]stripeFunction{
	"GET /account": (*stripeAccount).getAccount,

	"POST /customers":                     (*stripeAccount).postCustomer,
	"GET /customers":                      (*stripeAccount).listCustomers,
	"GET /customers/search":               (*stripeAccount).searchCustomers,
	"GET /customers/{id}":                 (*stripeAccount).getCustomer,
	"POST /customers/{id}":                (*stripeAccount).changeCustomer,
	"DELETE /customers/{id}":              (*stripeAccount).deleteCustomer,
	"GET /customers/{id}/payment_methods": (*stripeAccount).listCustomerMethods,

	"POST /products":      (*stripeAccount).postProduct,
	"GET /products":       (*stripeAccount).listProducts,
	"GET /products/{id}":  (*stripeAccount).getProduct,
	"POST /products/{id}": (*stripeAccount).changeProduct,
	"POST /prices":        (*stripeAccount).postPrice,
	"GET /prices":         (*stripeAccount).listPrices,
	"GET /prices/{id}":    (*stripeAccount).getPrice,
	"POST /prices/{id}":   (*stripeAccount).changePrice,

	"GET /payment_methods":              (*stripeAccount).listMethods,
	"GET /payment_methods/{id}":         (*stripeAccount).getMethod,
	"POST /payment_methods/{id}/attach": (*stripeAccount).attachMethod,
	"POST /payment_methods/{id}/detach": (*stripeAccount).detachMethod,

	"POST /checkout/sessions":                (*stripeAccount).postSession,
	"GET /checkout/sessions":                 (*stripeAccount).listSessions,
	"GET /checkout/sessions/{id}":            (*stripeAccount).getSession,
	"POST /checkout/sessions/{id}/expire":    (*stripeAccount).expireSession,
	"GET /checkout/sessions/{id}/line_items": (*stripeAccount).listSessionLines,

	"POST /billing_portal/configurations":      (*stripeAccount).postPortal,
	"GET /billing_portal/configurations":       (*stripeAccount).listPortals,
	"GET /billing_portal/configurations/{id}":  (*stripeAccount).getPortal,
	"POST /billing_portal/configurations/{id}": (*stripeAccount).changePortal,
	"POST /billing_portal/sessions":            (*stripeAccount).postPortalSession,

	"POST /subscriptions":             (*stripeAccount).postSubscription,
	"GET /subscriptions":              (*stripeAccount).listSubscriptions,
	"GET /subscriptions/{id}":         (*stripeAccount).getSubscription,
	"POST /subscriptions/{id}":        (*stripeAccount).changeSubscription,
	"DELETE /subscriptions/{id}":      (*stripeAccount).cancelSubscription,
	"POST /subscriptions/{id}/resume": (*stripeAccount).resumeSubscription,
	"GET /subscription_items":         (*stripeAccount).listItems,
	"GET /subscription_items/{id}":    (*stripeAccount).getItem,
	"POST /subscription_items/{id}":   (*stripeAccount).changeItem,

	"GET /invoices":                          (*stripeAccount).listInvoices,
	"GET /invoices/{id}":                     (*stripeAccount).getInvoice,
	"POST /invoices/{id}/pay":                (*stripeAccount).payInvoice,
	"POST /invoices/{id}/void":               (*stripeAccount).voidInvoice,
	"POST /invoices/{id}/mark_uncollectible": (*stripeAccount).loseInvoice,
	"GET /invoices/{id}/lines":               (*stripeAccount).listLines,
	"GET /payment_intents/{id}":              (*stripeAccount).getIntent,
	"GET /charges":                           (*stripeAccount).listCharges,
	"GET /charges/{id}":                      (*stripeAccount).getCharge,
	"POST /refunds":                          (*stripeAccount).postRefund,
	"GET /refunds":                           (*stripeAccount).listRefunds,
	"GET /refunds/{id}":                      (*stripeAccount).getRefund,
	"GET /disputes":                          (*stripeAccount).listDisputes,
	"GET /disputes/{id}":                     (*stripeAccount).getDispute,

	"GET /events":                    (*stripeAccount).listEvents,
	"GET /events/{id}":               (*stripeAccount).getEvent,
	"POST /webhook_endpoints":        (*stripeAccount).postEndpoint,
	"GET /webhook_endpoints":         (*stripeAccount).listEndpoints,
	"GET /webhook_endpoints/{id}":    (*stripeAccount).getEndpoint,
	"POST /webhook_endpoints/{id}":   (*stripeAccount).changeEndpoint,
	"DELETE /webhook_endpoints/{id}": (*stripeAccount).deleteEndpoint,
}

// stripeMethodFor finds the method of a request, and the id in its path; nil where there is none.
func stripeMethodFor(verb, path string) (stripeFunction, string) {
	if method, ok := stripeMethods[verb+" "+path]; ok {
		return method, ""
	}
	parts := strings.Split(path, "/")
	for i, id := range parts {
		if id == "" {
			continue
		}
		parts[i] = "{id}"
		if method, ok := stripeMethods[verb+" "+strings.Join(parts, "/")]; ok {
			return method, id
		}
		parts[i] = id
	}
	return nil, ""
}
