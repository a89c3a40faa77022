"""How webhooks leave: what may be reached (guard), by which address (resolve), over which connection (http).

`app` builds an `HttpSender` from the settings and hands it to the flow as its `Sender`; `web` asks the guard about a
URL before it is saved. Nothing here knows of rules, endpoints, retries or the store: one request goes in, one answer
comes out. What carries other things than webhooks (a mailer) gets a module beside `http`.
"""
