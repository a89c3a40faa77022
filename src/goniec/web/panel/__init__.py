"""The panel: pages for people, made on the server, in Polish and English.

Views declare pages (`page`), `serve` stands around each of them, templates and words are beside. `dispatch` routes to
`panel_handlers`; nothing else of the web floor knows the panel.
"""
