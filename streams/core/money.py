"""Money is integer minor units of one currency, from the first byte on.

Promises exact amounts: a decimal string is read digit by digit, a JSON number is rounded half to even to the
currency's minor unit and nowhere else. Refuses, with a :class:`streams.errors.RejectedRecord`, everything that is
not plainly a price: signs, exponents, NaN, white space, digits of other scripts, and amounts beyond
:data:`MAX_MINOR`.

The currencies are ISO 4217 list one as published by SIX, the maintenance agency, on 2026-01-01. Codes without a
minor unit (precious metals, baskets such as XDR, and XXX and XTS) are no shop's currency and are left out.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

from streams.errors import RejectedRecord
from streams.events import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Never

MAX_MINOR: Final = 10**15
MAX_QUANTITY: Final = 1_000_000

_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF"
    " CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG"
    " HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR"
    " MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD"
    " SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD"
    " XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS: Final[Mapping[str, int]] = {
    code: digits for digits, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}

_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_MAX_WHOLE_DIGITS = len(str(MAX_MINOR))
# Wide enough that rounding to the minor unit is the only rounding; huge exponents are compared, never expanded.
_ROUNDING = Context(prec=40, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


def exponent(currency: str, field: str = "currency") -> int:
    """How many decimals the minor unit of an ISO 4217 code has: 2 for CNY, 0 for JPY, 3 for KWD.

    Raises:
        RejectedRecord: ``unknown_currency``.
    """
    digits = EXPONENTS.get(currency)
    if digits is None:
        _reject(Reason.UNKNOWN_CURRENCY, field)
    return digits


def to_minor(price: str, exponent: int, field: str = "price") -> int:
    """Read a decimal string such as ``"39.90"`` exactly.

    Decimals beyond the currency's are fine only if they are zeros; ``"-0"`` is zero.

    Raises:
        RejectedRecord: ``bad_price``, ``negative_price``, ``price_precision`` or ``price_too_large``.
    """
    match = _DECIMAL.fullmatch(price)
    if match is None:
        _reject(Reason.BAD_PRICE, field)
    sign, whole, fraction = match.groups(default="")
    whole = whole.lstrip("0")
    if sign and (whole or fraction.strip("0")):
        _reject(Reason.NEGATIVE_PRICE, field)
    if fraction[exponent:].strip("0"):
        _reject(Reason.PRICE_PRECISION, field)
    if len(whole) > _MAX_WHOLE_DIGITS:  # also keeps int() away from a digit bomb
        _reject(Reason.PRICE_TOO_LARGE, field)
    return _bounded(int((whole + fraction[:exponent].ljust(exponent, "0")) or "0"), field)


def float_to_minor(number: float | Decimal, exponent: int, field: str = "price") -> int:
    """Round a JSON number half to even to the minor unit.

    A binary float stands for its shortest decimal text, so 3999.9 is 399990 and not a hair less.

    Raises:
        RejectedRecord: ``bad_price`` (NaN, infinity), ``negative_price`` or ``price_too_large``.
    """
    exact = Decimal(str(number)) if isinstance(number, float) else Decimal(number)
    if not exact.is_finite():
        _reject(Reason.BAD_PRICE, field)
    if exact < 0:
        _reject(Reason.NEGATIVE_PRICE, field)
    if exact > MAX_MINOR:
        _reject(Reason.PRICE_TOO_LARGE, field)
    rounded = exact.quantize(Decimal(1).scaleb(-exponent), context=_ROUNDING)
    return _bounded(int(rounded.scaleb(exponent, context=_ROUNDING)), field)


def line_amount(price_minor: int, quantity: int, field: str = "price") -> int:
    """Price times quantity in minor units; ``quantity`` is 1 to :data:`MAX_QUANTITY`.

    Raises:
        RejectedRecord: ``bad_quantity``, or ``price_too_large`` if the line exceeds :data:`MAX_MINOR`.
    """
    if not 1 <= quantity <= MAX_QUANTITY:
        _reject(Reason.BAD_QUANTITY, field)
    return _bounded(price_minor * quantity, field)


def _bounded(minor: int, field: str) -> int:
    if minor > MAX_MINOR:
        _reject(Reason.PRICE_TOO_LARGE, field)
    return minor


def _reject(reason: Reason, field: str) -> Never:
    raise RejectedRecord(Outcome.INVALID, reason, field)
