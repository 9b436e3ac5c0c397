"""Extract the names and facts of the embedded world from Unicode CLDR and write `src/pinch/embedded/names.json`.

    python scripts/extract_names.py

In: the installed Babel (2.18.0 = CLDR 47). Out: names of territories, languages, currencies, months, weekdays, cities
and continents in the 18 languages of the study, and facts that hold in every language (currency of a territory, main
language, continent, country of a city). Babel is a build-time tool: nothing under `src/` imports it.

Babel 2.18.0 writes resolved aliases back into data that locales share (its issue 1234: after `zh`, Spanish months came
out Chinese), so every locale is read in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "src" / "pinch" / "embedded" / "names.json"

CODES = [
    "en", "ar", "zh-Hans", "cs", "et", "fi", "he", "hi", "it", "ru", "es", "sw", "sr-Cyrl", "sr-Latn", "hr", "sl",
    "pl", "sk",
]  # fmt: skip
LANGUAGES = {code: code.replace("-", "_") for code in CODES}
"""Code of the study -> name of the Babel locale."""

CONTINENT_TERRITORIES = {
    "150": "DE FR ES IT GB RU FI EE CZ PL SK SI HR RS GR SE NO DK NL PT HU RO UA IE AT LV LT",
    "142": "CN JP IN TR IL KR VN TH ID IR SA PH",
    "002": "EG KE TZ NG ET ZA MA DZ GH",
    "003": "US CA MX",
    "005": "BR AR CL CO PE EC",
    "009": "AU NZ FJ",
}
"""CLDR code of a continent -> territories on it, after the regions of UN M49 (North America includes Mexico)."""

LANGUAGE_KEYS = [
    "en", "ar", "zh", "cs", "et", "fi", "he", "hi", "it", "ru", "es", "sw", "sr", "hr", "sl", "pl", "sk", "de", "fr",
    "pt", "ja", "tr", "el", "sv", "no", "da", "nl", "ko", "vi", "th", "id", "fa", "uk", "hu", "ro", "am",
]  # fmt: skip
CURRENCY_KEYS = [
    "EUR", "GBP", "RUB", "CZK", "PLN", "RSD", "SEK", "NOK", "DKK", "HUF", "RON", "UAH", "CNY", "JPY", "INR", "TRY",
    "ILS", "KRW", "VND", "THB", "IDR", "IRR", "SAR", "EGP", "KES", "TZS", "NGN", "ETB", "ZAR", "MAD", "USD", "CAD",
    "MXN", "BRL", "ARS", "CLP", "COP", "PEN", "AUD", "NZD", "FJD",
]  # fmt: skip
WEEKDAY_KEYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
CITY_TERRITORIES = {
    "Africa/Addis_Ababa": "ET", "Africa/Cairo": "EG", "Africa/Casablanca": "MA", "Africa/Dar_es_Salaam": "TZ",
    "Africa/Johannesburg": "ZA", "Africa/Lagos": "NG", "Africa/Nairobi": "KE", "America/Buenos_Aires": "AR",
    "America/Bogota": "CO", "America/Lima": "PE", "America/New_York": "US", "America/Sao_Paulo": "BR",
    "America/Toronto": "CA", "Asia/Bangkok": "TH", "Asia/Calcutta": "IN", "Asia/Jakarta": "ID", "Asia/Riyadh": "SA",
    "Asia/Seoul": "KR", "Asia/Shanghai": "CN", "Asia/Tehran": "IR", "Asia/Tokyo": "JP", "Australia/Sydney": "AU",
    "Europe/Amsterdam": "NL", "Europe/Athens": "GR", "Europe/Belgrade": "RS", "Europe/Berlin": "DE",
    "Europe/Bratislava": "SK", "Europe/Bucharest": "RO", "Europe/Budapest": "HU", "Europe/Copenhagen": "DK",
    "Europe/Dublin": "IE", "Europe/Helsinki": "FI", "Europe/Istanbul": "TR", "Europe/Kiev": "UA", "Europe/Lisbon": "PT",
    "Europe/Ljubljana": "SI", "Europe/London": "GB", "Europe/Madrid": "ES", "Europe/Moscow": "RU", "Europe/Oslo": "NO",
    "Europe/Paris": "FR", "Europe/Prague": "CZ", "Europe/Riga": "LV", "Europe/Rome": "IT", "Europe/Stockholm": "SE",
    "Europe/Tallinn": "EE", "Europe/Vienna": "AT", "Europe/Vilnius": "LT", "Europe/Warsaw": "PL",
    "Europe/Zagreb": "HR", "Pacific/Auckland": "NZ",
}  # fmt: skip
"""CLDR time-zone key of a well-known city -> its country. Cities whose name equals their country's are left out."""

CURRENCY_DATE = date(2025, 1, 1)
"""Currencies are those in use on this day, so that the file does not depend on the day it is made."""
MAIN_SHARE, MAIN_LEAD = 60, 15
"""A main language is official, spoken by at least this percentage, and this many points ahead of the next official."""


def clean(name: str) -> str:
    """NFC, single plain spaces, without the invisible directional marks that CLDR puts into some names."""
    visible = "".join(ch for ch in name if ch not in "\u200e\u200f\u061c\u2066\u2067\u2068\u2069\ufeff")
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def names_of(locale_name: str) -> dict[str, dict[str, str]]:
    """kind -> key -> name in one locale. A city that CLDR does not list is named as in its key (UTS 35, Dates, 5.3)."""
    from babel import Locale, localedata

    localedata._cache.clear()
    locale = Locale.parse(locale_name)
    locale._data  # noqa: B018  (loads the data before anything else of this locale is touched)
    zones: Any = locale.time_zones
    territories = " ".join(CONTINENT_TERRITORIES.values()).split()
    months, days = locale.months["stand-alone"]["wide"], locale.days["stand-alone"]["wide"]
    found: dict[str, dict[str, str]] = {
        "territory": {key: locale.territories[key] for key in territories},
        "language": {key: locale.languages[key] for key in LANGUAGE_KEYS},
        "currency": {key: locale.currencies[key] for key in CURRENCY_KEYS},
        "month": {str(number): months[number] for number in range(1, 13)},
        "weekday": {key: days[number] for number, key in enumerate(WEEKDAY_KEYS)},
        "city": {key: _city(zones, key) for key in CITY_TERRITORIES},
        "continent": {key: locale.territories[key] for key in CONTINENT_TERRITORIES},
    }
    return {kind: {key: clean(name) for key, name in names.items()} for kind, names in found.items()}


def _city(zones: Any, key: str) -> str:
    listed: str | None = zones.get(key, {}).get("city")
    return listed or key.rsplit("/", 1)[-1].replace("_", " ")


def currency_of(territory: str) -> str | None:
    """The tender of a territory, where it is a single one and among our currencies."""
    from babel.numbers import get_territory_currencies

    tenders = get_territory_currencies(territory, CURRENCY_DATE)
    return tenders[0] if len(tenders) == 1 and tenders[0] in CURRENCY_KEYS else None


def language_of(territory: str) -> str | None:
    """The one main language of a territory by the shares of CLDR, or None where there is no clear one."""
    from babel.languages import get_territory_language_info

    shares: dict[str, float] = {}
    for code, row in get_territory_language_info(territory).items():
        if row["official_status"] in ("official", "de_facto_official"):
            code = {"nb": "no", "nn": "no"}.get(code, code.split("_")[0])  # script variants and Norwegian are one
            shares[code] = max(shares.get(code, 0.0), float(row["population_percent"] or 0))
    ranked = sorted(shares, key=lambda code: (-shares[code], code))
    lead = shares[ranked[0]] - (shares[ranked[1]] if len(ranked) > 1 else 0.0)
    clear = shares[ranked[0]] >= MAIN_SHARE and lead >= MAIN_LEAD
    return ranked[0] if clear and ranked[0] in LANGUAGE_KEYS else None


def facts() -> dict[str, dict[str, str]]:
    """relation -> key -> key; a territory without a clear answer has no entry."""
    continents = {key: code for code, keys in CONTINENT_TERRITORIES.items() for key in keys.split()}
    currencies = {key: currency for key in continents if (currency := currency_of(key))}
    languages = {key: language for key in continents if (language := language_of(key))}
    return {
        "currency_of": currencies,
        "language_of": languages,
        "continent_of": continents,
        "country_of": dict(CITY_TERRITORIES),
    }


def extract() -> dict[str, Any]:
    """The whole content of `names.json`, languages in the order of LANGUAGES."""
    import babel
    from babel.core import get_cldr_version

    per_language: dict[str, dict[str, dict[str, str]]] = {}
    for code, locale_name in LANGUAGES.items():
        output = subprocess.check_output([sys.executable, __file__, locale_name], encoding="utf-8")
        per_language[code] = json.loads(output)
    names = {
        kind: {key: {code: per_language[code][kind][key] for code in LANGUAGES} for key in keys}
        for kind, keys in per_language["en"].items()
    }
    return {
        "source": f"Unicode CLDR {get_cldr_version()} via Babel {babel.__version__}",
        "licence": "Unicode-3.0, see LICENSE.unicode",
        "names": names,
        "facts": facts(),
    }


def main() -> None:
    """With a locale as argument print its names (the child process); without one write the file."""
    if len(sys.argv) == 2:
        sys.stdout.buffer.write(json.dumps(names_of(sys.argv[1]), ensure_ascii=False).encode())
        return
    TARGET.write_text(json.dumps(extract(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {TARGET.name}")


if __name__ == "__main__":
    main()
