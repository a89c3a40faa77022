"""The mail of the row mails: about 10 KB of HTML, with styles and ten links, as shops send them."""

from typing import Any, Final

LINKS: Final = 10
SENDER: Final = "Sklep Bench <sklep@bench.example>"

_STYLES: Final = """
  body { margin: 0; background: #f4f4f7; font-family: Helvetica, Arial, sans-serif; color: #333333 }
  .page { max-width: 600px; margin: 0 auto; background: #ffffff; padding: 24px }
  h1 { font-size: 22px; line-height: 1.3; margin: 0 0 16px }
  p { font-size: 16px; line-height: 1.5; margin: 0 0 12px }
  table.offer { width: 100%; border-collapse: collapse; margin: 0 0 24px }
  table.offer td { padding: 12px 0; border-bottom: 1px solid #dddddd; vertical-align: top }
  td.name { font-weight: bold; padding-right: 12px }
  td.price { text-align: right; white-space: nowrap; color: #0a6640 }
  a { color: #0b5fcc }
  a.button { display: inline-block; background: #0b5fcc; color: #ffffff; padding: 10px 18px; border-radius: 4px }
  .footer p { font-size: 12px; color: #777777 }
  @media (max-width: 480px) { .page { padding: 12px } }
"""
_OFFER: Final = (
    '<table class="offer" role="presentation"><tr><td class="name">Buty zimowe {n}</td><td><p>Ocieplane, z membraną,'
    " na grubej podeszwie. Wybierz rozmiar od 36 do 46; kto ma wątpliwości, może zwrócić je bez opłat w ciągu"
    " trzydziestu dni, także po spacerze w śniegu. Wysyłamy tego samego dnia, a {{{{ contact.name }}}} dostaje dostawę"
    " gratis. Zostało ich niewiele, bo zima przyszła w tym roku wcześnie i wszyscy chcą chodzić w ciepłych butach."
    " Skórę impregnujemy sami, szwy są podwójne, a wkładki można prać. Pielęgnacja zajmuje chwilę: wystarczy miękka"
    ' szczotka i odrobina wosku.</p><p><a class="button" href="https://shop.example/produkt/{n}?utm_source=goniec&amp;'
    'utm_campaign=wiosna">Zobacz buty</a></p></td><td class="price">{n}29,90 zł</td></tr></table>\n'
)


def message() -> dict[str, Any]:
    """Give the message as `POST /messages` takes it."""
    offers = "".join(_OFFER.format(n=n) for n in range(1, LINKS + 1))
    html = (
        f'<!DOCTYPE html>\n<html lang="pl"><head><meta charset="utf-8"><title>Oferta</title><style>{_STYLES}</style>'
        '</head><body><div class="page"><h1>Dzień dobry, {{ contact.name | default: "drogi kliencie" }}!</h1>'
        "{% if contact.score > 100 %}<p>Masz {{ contact.score }} punktów.</p>{% endif %}\n"
        f'{offers}<div class="footer"><p><a href="{{{{ unsubscribeUrl }}}}">Nie chcę więcej takich wiadomości</a></p>'
        "</div></div></body></html>\n"
    )
    return {"name": "Oferta", "subject": "Zima idzie, {{ contact.name }}", "html": html}
