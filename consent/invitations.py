"""Who belongs to an organisation: inviting by a link that opens once, changing a role, taking a member away.

The last owner stays: an organisation that nobody can look after would go on asking its visitors.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete, exists, func, select, update

from consent import accounts, audit, sessions, tickets
from consent.accounts import ROLES, AccountError, Membership, Organisation, User
from consent.attempts import attempts
from consent.db import db
from consent.keys import ApiKey
from consent.marks import mark
from consent.passkeys import Passkey
from consent.tickets import INVITATION, Ticket

MOST = 100  # invitations of an organisation that wait


class Member(NamedTuple):
    """A member, as the others see them. `keys`: of the API keys that they made, how many still count."""

    id: int
    email: str
    role: str
    seen_on: object
    mfa: bool
    keys: int


def organisations_of(user: User) -> list[tuple[Organisation, str]]:
    """The organisations of a user, with their role in each."""
    query = select(Organisation, Membership.role).join(Membership, Membership.organisation_id == Organisation.id)
    found = db.session.execute(query.where(Membership.user_id == user.id).order_by(Organisation.name))
    return [(organisation, role) for organisation, role in found.all()]


def role_in(user: User, organisation_id: int) -> str | None:
    """The user's role in an organisation; None for a stranger, and for what is none."""
    mine = (Membership.user_id == user.id, Membership.organisation_id == organisation_id)
    return db.session.scalar(select(Membership.role).where(*mine)) if 0 < organisation_id < 2**31 else None


def members(organisation_id: int) -> list[Member]:
    """The members of an organisation, by their address."""
    mfa = exists().where(Passkey.user_id == User.id) | User.totp_at.is_not(None)
    keys = select(func.count()).where(
        ApiKey.organisation_id == organisation_id, ApiKey.made_by == User.id, ApiKey.revoked_at.is_(None)
    ).scalar_subquery()
    query = select(User.id, User.email, Membership.role, User.seen_on, mfa, keys).join(
        Membership, Membership.user_id == User.id)
    found = db.session.execute(query.where(Membership.organisation_id == organisation_id).order_by(User.email))
    return [Member(*row) for row in found]


def waiting(organisation_id: int) -> list[Ticket]:
    """The invitations that nobody has accepted, newest first; those that are over too, until they are forgotten."""
    mine = select(Ticket).where(Ticket.organisation_id == organisation_id, Ticket.purpose == INVITATION)
    return list(db.session.scalars(mine.order_by(Ticket.created_at.desc())))


def invite(organisation: Organisation, email: str, role: str, by: audit.By, now: datetime) -> tuple[str, str]:
    """The address as it is kept, and the text of the invitation; raises AccountError. The caller commits.

    Whether there is an account makes no difference. Who was invited before gets a new link, and the old one ends.
    """
    if role not in ROLES:
        raise AccountError(mark("Choose a role."))
    to = accounts.address(email)
    known = select(Membership.role).join(User, User.id == Membership.user_id)
    if db.session.scalar(known.where(User.email == to, Membership.organisation_id == organisation.id)) is not None:
        raise AccountError(mark("Whoever has this address is a member already."))
    before = delete(Ticket).where(Ticket.organisation_id == organisation.id, Ticket.email == to)
    db.session.execute(before)
    if len(waiting(organisation.id)) >= MOST:
        raise AccountError(mark("Too many invitations wait for an answer; withdraw some first."))
    if not attempts().may_invite(to):
        raise AccountError(mark("This address was invited too often today; try again tomorrow."))
    text = tickets.issue(INVITATION, now, email=to, organisation_id=organisation.id, role=role, by=_who(by),
                         key_id=by.key_id)
    audit.note(organisation.id, "member.invite", by, role=role)
    return to, text


def _who(by: audit.By) -> int | None:
    """The user whose invitation it is: of one made with a key, who made the key. It ends with their membership."""
    made_by = select(ApiKey.made_by).where(ApiKey.id == by.key_id)
    return by.user_id if by.key_id is None else db.session.scalar(made_by)


def withdraw(organisation_id: int, digest: str, by: audit.By) -> bool:
    """The link of an invitation opens nothing any more; whether there was one. The caller commits."""
    mine = delete(Ticket).where(
        Ticket.organisation_id == organisation_id, Ticket.purpose == INVITATION, Ticket.digest == digest)
    if not db.session.execute(mine).rowcount:  # type: ignore[attr-defined]  # a delete has one
        return False
    audit.note(organisation_id, "member.withdraw", by)
    return True


def join(text: str, user: User | None, password: str, now: datetime) -> User:
    """Accept an invitation: as a user that has its address, or with a password for a new account.

    Raises Spent, also for an invitation of another user, and AccountError for the password. The caller commits.
    """
    ticket = tickets.take(text, INVITATION, now)
    known = accounts.find_user(ticket.email or "")
    if known != user:  # somebody else's; or an account was made meanwhile, whose password nobody has given
        raise tickets.Spent
    organisation = db.session.get_one(Organisation, ticket.organisation_id)
    if user is not None and role_in(user, organisation.id):
        return user
    joined = accounts.create_user(ticket.email or "", password, organisation, ticket.role or "")
    audit.note(organisation.id, "member.join", audit.By(joined.id, via="console"), role=ticket.role)
    return joined


def change_role(organisation_id: int, user_id: int, role: str, by: audit.By) -> None:
    """Another role for a member; raises AccountError. The caller commits.

    Whoever loses a role is signed out: what they have open may be about what they may do no more. The keys and
    invitations that they made end, or they would stay owner by those.
    """
    if role not in ROLES:
        raise AccountError(mark("Choose a role."))
    before = _role(organisation_id, user_id)
    if before == role:
        return
    if before == "owner":
        _keep_an_owner(organisation_id, user_id)
    mine = update(Membership).where(Membership.organisation_id == organisation_id, Membership.user_id == user_id)
    db.session.execute(mine.values(role=role))
    ended = 0
    if before == "owner":
        sessions.end_all(user_id)
        ended = _end_what_they_made(organisation_id, user_id, datetime.now(UTC))
    audit.note(organisation_id, "member.change", by, member=user_id, role=role, keys=ended)


def remove(organisation_id: int, user_id: int, by: audit.By, now: datetime) -> None:
    """Take a member away, with their sessions, and the keys and invitations that they made; raises AccountError.

    The account stays, for what else it is a member of; without a sign of life it goes in time (idle.py). The caller
    commits.
    """
    if _role(organisation_id, user_id) == "owner":
        _keep_an_owner(organisation_id, user_id)
    mine = (Membership.organisation_id == organisation_id, Membership.user_id == user_id)
    db.session.execute(delete(Membership).where(*mine))
    sessions.end_all(user_id)
    ended = _end_what_they_made(organisation_id, user_id, now)
    audit.note(organisation_id, "member.remove", by, member=user_id, keys=ended)


def _end_what_they_made(organisation_id: int, user_id: int, now: datetime) -> int:
    """Revoke the keys, and take the invitations away; how many keys."""
    keys = update(ApiKey).where(
        ApiKey.organisation_id == organisation_id, ApiKey.made_by == user_id, ApiKey.revoked_at.is_(None))
    ended = db.session.execute(keys.values(revoked_at=now)).rowcount  # type: ignore[attr-defined]  # an update has one
    db.session.execute(delete(Ticket).where(Ticket.organisation_id == organisation_id, Ticket.by == user_id))
    return int(ended)


def require_mfa(organisation: Organisation, required: bool, by: audit.By) -> None:
    """Whether members need a second factor: without one they see nothing but the page that sets it up."""
    if organisation.mfa != required:
        organisation.mfa = required
        audit.note(organisation.id, "member.require", by, required=required)


def note_of(user: User, what: str, by: audit.By) -> None:
    """Write down in each organisation of a user what became of their account."""
    for organisation, _ in organisations_of(user):
        audit.note(organisation.id, what, by, member=user.id)


def _role(organisation_id: int, user_id: int) -> str:
    mine = (Membership.organisation_id == organisation_id, Membership.user_id == user_id)
    found = db.session.scalar(select(Membership.role).where(*mine))
    if found is None:
        raise AccountError(mark("This member is not there any more."))
    return found


def _keep_an_owner(organisation_id: int, user_id: int) -> None:
    """Raises AccountError for the last owner. Two who go at the same moment stand in line for the rows."""
    owners = select(Membership.user_id).where(
        Membership.organisation_id == organisation_id, Membership.role == "owner").order_by(Membership.user_id)
    found = db.session.scalars(owners.with_for_update()).all()
    if set(found) <= {user_id}:
        raise AccountError(mark("This is the last owner; make somebody else owner first."))
