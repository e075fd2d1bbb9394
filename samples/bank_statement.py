"""Sample bank statements: entries of Brazilian accounts, as a bank's own export for Excel has them.

People, companies and descriptions are made of syllables, and all that would lead to somebody does not: the
check digits of a CPF or CNPJ are never right, no area has the number 00, and `.example` has no addresses.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from samples.choice import Weighted

ENCODING = "windows-1252"
HEADER = (
    "Documento;Data Lançamento;Data Valor;Histórico;Favorecido;CPF/CNPJ;E-mail;Telefone;Valor (R$);"
    "Valor Tarifa;Conciliado;Canal"
)

FIRST_DAY = date(2023, 1, 2)
ENTRIES_A_DAY = 40
SYLLABLES = Weighted(
    dict.fromkeys(
        ("bré", "câ", "dão", "fi", "gô", "jú", "lé", "mi", "nô", "pê", "qui", "rãs", "sé", "tó", "zú"), 1
    )
)
FOLDED = str.maketrans("áâãéêíóôõúç", "aaaeeiooouc")
SUBJECTS = Weighted(
    {
        "Pagamento de fornecedor": 40,
        "Recebimento de cliente": 35,
        "Devolução de cobrança": 6,
        "Manutenção; peças e serviço": 5,
        'Locação do galpão "Norte"': 4,
        "Ração e insumos": 4,
    }
)
CHANNELS = Weighted({"PIX": 62, "TED": 18, "BOLETO": 17, "DOC": 3})
# One of the bank's systems writes the days of the calendar, an older one those of ISO 8601.
DAYS = Weighted({"%d/%m/%Y": 4, "%Y-%m-%d": 1})
FEES = Weighted({"": 70, "0,00": 10, "1,90": 8, "10,45": 12})
# Weights of the check digits, from the last digit on.
CPF, CNPJ = range(2, 12), (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6)


def make_rows(random: Random) -> Iterator[str]:
    """Make rows without end, each a line of the file; documents and days ascend."""
    number = 100_000
    day = FIRST_DAY
    while True:
        number += 1 + int(random.random() * 3)
        if random.random() < 1 / ENTRIES_A_DAY:
            day += timedelta(1)
        yield _make_row(random, f"{number:09}", day)


def _make_row(random: Random, document: str, day: date) -> str:
    form = DAYS.pick(random)
    # An entry that is not settled yet has no value date.
    settled = random.random() >= 0.08
    value_day = f"{day + timedelta(int(random.random() * 3)):{form}}" if settled else ""
    if random.random() < 0.05:
        # Between the account and its own savings: nobody is named.
        subject, party = "Resgate de aplicação automática", ";;;"
    else:
        subject, party = f"{SUBJECTS.pick(random)} {_make_word(random)}", _make_party(random)
    amount, fee = _make_amount(random), FEES.pick(random)
    reconciled = "Sim" if settled and random.random() < 0.9 else "Não"
    return (
        f"{document};{day:{form}};{value_day};{_quote(subject)};{party};{amount};{fee};{reconciled};"
        f"{CHANNELS.pick(random)}\r\n"
    )


def _make_party(random: Random) -> str:
    first, last = _make_word(random), _make_word(random)
    if random.random() < 0.6:
        name, code = f"{first} {last}", _make_cpf(random)
    else:
        name, code = f"{first} & {last} Comércio Ltda.", _make_cnpj(random)
    address = f"{first}.{last}@correio.example".lower().translate(FOLDED)
    email = address if random.random() < 0.8 else ""
    phone = f"(00) 9{_make_digits(random, 4)}-{_make_digits(random, 4)}" if random.random() < 0.7 else ""
    return f"{name};{code};{email};{phone}"


def _make_word(random: Random) -> str:
    return "".join(SYLLABLES.pick(random) for _ in range(2 + int(random.random() * 2))).capitalize()


def _make_cpf(random: Random) -> str:
    code = _add_wrong_check_digits(_make_digits(random, 9), CPF)
    return f"{code[:3]}.{code[3:6]}.{code[6:9]}-{code[9:]}"


def _make_cnpj(random: Random) -> str:
    code = _add_wrong_check_digits(_make_digits(random, 8) + "0001", CNPJ)
    return f"{code[:2]}.{code[2:5]}.{code[5:8]}/{code[8:12]}-{code[12:]}"


def _add_wrong_check_digits(digits: str, weights: range | tuple[int, ...]) -> str:
    for wrong in (0, 1):
        total = sum(int(digit) * weight for digit, weight in zip(reversed(digits), weights, strict=False))
        right = 11 - total % 11 if total % 11 > 1 else 0
        digits += str((right + wrong) % 10)
    return digits


def _make_digits(random: Random, count: int) -> str:
    return f"{int(random.random() * 10**count):0{count}}"


def _make_amount(random: Random) -> str:
    draw = random.random()
    cents = 100 + int(draw * draw * draw * 5_000_000)
    sign = "-" if random.random() < 0.55 else ""
    # The older system does not group.
    whole = f"{cents // 100:,}".replace(",", "." if random.random() < 0.8 else "")
    return f"{sign}{whole},{cents % 100:02}"


def _quote(text: str) -> str:
    if ";" not in text and '"' not in text:
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
