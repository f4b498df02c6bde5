package pages

import (
	"html/template"
)

const pageHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.}} - sandbox</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; color: #1a1f36; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e3e8ee; }
button { font: inherit; padding: .4rem .9rem; margin: .2rem .3rem .2rem 0; border: 1px solid #c1c9d2; border-radius: .4rem; background: #f7fafc; cursor: pointer; }
button.main { background: #635bff; border-color: #635bff; color: #fff; } input { font: inherit; width: 7rem; padding: .3rem; }
.note { color: #697386; font-size: .85rem; } .refused { background: #fde7ea; padding: .5rem .8rem; border-radius: .4rem; }
</style>
</head>
<body>
<p class="note">The sandbox stands in for Stripe. No money moves.</p>
`

var pages = template.Must(template.New("head").Funcs(template.FuncMap{"money": amount, "date": date}).Parse(pageHead + partiesText))

// partiesText names the seller and the buyer.
const partiesText = `{{define "parties"}}<p>Seller: {{.Seller}}<br>Buyer: {{.Buyer}}</p>{{end}}`

var checkoutTemplate = template.Must(template.Must(pages.Clone()).New("checkout").Parse(`{{template "head" "Checkout"}}
{{if .Complete}}
<h1>Thank you</h1>
{{template "parties" .Parties}}
<p>This checkout is complete. <a href="{{.Success}}">Go on</a></p>
{{else if .Expired}}
<h1>Too late</h1>
<p>This checkout has expired.{{if .Cancel}} <a href="{{.Cancel}}">Back</a>{{end}}</p>
{{else}}
<h1>Checkout</h1>
{{template "parties" .Parties}}
{{if .Message}}<p class="refused" role="alert">{{.Message}}</p>{{end}}
<form method="post">
<table>
<tr><th>Product</th><th>Price</th><th>Quantity</th></tr>
{{range .Lines}}
<tr>
<td>{{.Description}}</td>
<td>{{money .Price.UnitAmount .Currency}} a {{.Price.Recurring.Interval}}</td>
<td>{{if .Adjustable}}<input type="number" name="quantity" min="{{if .Least}}{{.Least}}{{else}}1{{end}}" max="{{.Most}}" value="{{.Quantity}}" aria-label="Quantity" required>{{else}}{{.Quantity}}{{end}}</td>
</tr>
{{end}}
</table>
<p>Due now: {{.TotalNow}}{{if .Trial}}, after which a trial begins{{end}}. A changed quantity counts when you pay.</p>
<p>
<button class="main" name="outcome" value="paid">Pay</button>
<button name="outcome" value="declined">Card is declined</button>
<button name="outcome" value="unpaid">Pay later</button>
{{if .Cancel}}<button name="outcome" value="back" formnovalidate>Back</button>{{end}}
</p>
<p class="note">Pay later is a payment that takes days, such as a bank debit: the order is complete, and the money comes or does not.</p>
</form>
{{end}}
</body>
</html>
`))

var portalTemplate = template.Must(template.Must(pages.Clone()).New("portal").Parse(`{{template "head" "Billing"}}
<h1>Billing</h1>
{{template "parties" .Parties}}
{{if .Message}}<p class="refused" role="alert">{{.Message}}</p>{{end}}
{{if .Subscription}}
<table>
<tr><th>Plan</th><td>{{.Plan}}</td></tr>
<tr><th>Quantity</th><td>{{.Quantity}}</td></tr>
<tr><th>Status</th><td>{{.Subscription.Status}}{{if .Subscription.CancelAt}}, ends on {{date .Subscription.CancelAt}}{{end}}</td></tr>
<tr><th>Paid until</th><td>{{.Until}}</td></tr>
</table>
{{if .MayChange}}
<form method="post">
<p><label>New quantity <input type="number" name="quantity" min="{{.Least}}" max="{{.Most}}" value="{{.Quantity}}" required></label>
<button class="main" name="do" value="change">Change</button></p>
</form>
{{end}}
<form method="post">
<p>
{{if or .Subscription.CancelAt .Paused}}<button name="do" value="resume">Resume</button>
{{else if .MayCancel}}{{if .CancelNow}}<button name="do" value="cancel">Cancel now</button>{{else}}<button name="do" value="cancel">Cancel at the end of the period</button>{{end}}{{end}}
</p>
</form>
{{else}}
<p>There is no subscription.</p>
{{end}}
{{if .Invoices}}
<h2>Invoices</h2>
<table>
{{range .Invoices}}
<tr><td>{{.Date}}</td><td>{{.Number}}</td><td>{{.Amount}}</td><td>{{.Status}}</td>
<td>{{if .Open}}<form method="post"><input type="hidden" name="invoice" value="{{.ID}}"><button name="do" value="pay">Pay</button></form>{{end}}</td></tr>
{{end}}
</table>
{{end}}
{{if .Return}}<p><a href="{{.Return}}">Back</a></p>{{end}}
</body>
</html>
`))
