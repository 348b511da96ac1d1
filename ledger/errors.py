"""Every way the ledger says no: one tree, whose branches are HTTP statuses and leaves problem types.

A leaf names its problem type (kebab-case, stable), an English and a Chinese title. Values stand in
fields, never in a message; no message carries personal data, SQL or keys. `docs/errors.md` lists all
leaves, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors_household import HouseholdConflict, PageTaken
from ledger.errors_tree import (
    Conflict,
    Fault,
    Forbidden,
    Gone,
    Invalid,
    LedgerError,
    Malformed,
    MethodNotAllowed,
    NotFound,
    RangeUnfit,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

__all__ = [
    "Conflict",
    "Fault",
    "Forbidden",
    "Gone",
    "HouseholdConflict",
    "Invalid",
    "LedgerError",
    "Malformed",
    "MethodNotAllowed",
    "NotFound",
    "PageTaken",
    "RangeUnfit",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMediaType",
]


class JsonInvalid(Malformed):
    """Not JSON as RFC 8259 and this ledger's limits have it."""

    type = "invalid-json"
    title = "The body is not acceptable JSON"
    title_zh = "请求体不是合规的 JSON"


class IdempotencyKeyMissing(Malformed):
    """An appending request without its key."""

    type = "idempotency-key-missing"
    title = "Idempotency-Key is missing or not 1 to 255 visible ASCII characters"
    title_zh = "缺少或不合规的 Idempotency-Key"


class ClientAssertionInvalid(Unauthenticated):
    """RFC 7523: the client's signed assertion is not acceptable."""

    type = "invalid-client"
    title = "The client assertion is not acceptable"
    title_zh = "客户端断言无效"


class ScopeMissing(Forbidden):
    """The client was not registered with the needed scope."""

    type = "scope-missing"
    title = "The client lacks the scope for this operation"
    title_zh = "客户端缺少所需权限范围"


class ClientSuspended(Forbidden):
    """The client was suspended, or its keys changed since its token was made."""

    type = "client-suspended"
    title = "The client is suspended or its token is from before a key change"
    title_zh = "接入系统已停用或令牌已失效"


class NotTheIssuer(Forbidden):
    """Only the responsible issuer changes a license, and only of its own types."""

    type = "not-the-issuer"
    title = "The license or its type belongs to another issuer"
    title_zh = "非本机构颁发的证照或类型"


class OwnOrganization(Forbidden):
    """Consent attested by a client for an organization that it serves."""

    type = "own-organization"
    title = "Consent cannot be attested for the attesting organization itself"
    title_zh = "不得为本机构代为确认授权"


class LicenseNotFound(NotFound):
    """No such license_ref."""

    type = "license-not-found"
    title = "No such license"
    title_zh = "证照不存在"
    national_code = "10"


class PieceNotFound(NotFound):
    """No such counterpart of the license's present version."""

    type = "piece-not-found"
    title = "No such counterpart"
    title_zh = "副本不存在"


class AuthorizationNotFound(NotFound):
    """No such authorization_ref."""

    type = "authorization-not-found"
    title = "No such authorization"
    title_zh = "授权不存在"


class EventNotFound(NotFound):
    """No event at that index."""

    type = "event-not-found"
    title = "No event at this index"
    title_zh = "事件不存在"


class StatusConflict(Conflict):
    """A status change that does not follow from the present status."""

    type = "status-conflict"
    title = "The license's status does not allow this change"
    title_zh = "证照状态不允许此变更"


class RenewalTooEarly(Conflict):
    """The type says how long before its last day a license is renewed, and that day has not come."""

    type = "renewal-too-early"
    title = "The license is not to be renewed yet"
    title_zh = "未到延续办理期限"


class VersionMoved(Conflict):
    """The license got another version while its values were being compared."""

    type = "version-moved"
    title = "The license was amended meanwhile"
    title_zh = "证照在比对期间发生变更"


class AlreadyExists(Conflict):
    """The thing to be made is there already."""

    type = "already-exists"
    title = "It exists already"
    title_zh = "已存在"


class BatchDiffers(Conflict):
    """A batch number that the source used for other rows."""

    type = "batch-differs"
    title = "The source sent other rows under this batch number"
    title_zh = "该批次号已用于不同内容"


class DoubleSource(Conflict):
    """A license that another source delivered."""

    type = "double-source"
    title = "Another source delivered this license"
    title_zh = "证照已由其他数据源归集"


class HolderErasedConflict(Conflict):
    """The holder's key is destroyed."""

    type = "holder-erased"
    title = "The holder was erased"
    title_zh = "持证主体数据已删除"


class LicenseTypeRetiredConflict(Conflict):
    """A retired type: nothing new is issued under it, and it is revised no more."""

    type = "license-type-retired"
    title = "The license type is retired"
    title_zh = "证照类型已停用"


class NumberTaken(Conflict):
    """疑似重号: the printed number is taken, where the type says that numbers are unique."""

    type = "number-taken"
    title = "Another license of this type has the printed number"
    title_zh = "证照编号重号"


class HolderContestedConflict(Conflict):
    """Two persons share the code: nothing is done until it is settled whose is what."""

    type = "holder-contested"
    title = "The holder's code is contested"
    title_zh = "持证主体代码存在重号争议"


class HolderEndedConflict(Conflict):
    """The holder died or was dissolved: no consent, and no second end."""

    type = "holder-ended"
    title = "The holder has ended"
    title_zh = "持证主体已消亡或注销"


class CaseConflict(Conflict):
    """An opening or a closing that does not follow from what is known of the case."""

    type = "case-conflict"
    title = "What is known of the case does not allow this"
    title_zh = "办件状态与此不符"


class NotTheRepresentative(Conflict):
    """Somebody who does not represent the holder by the license that is named, or does no more."""

    type = "not-the-representative"
    title = "This is no representative of the holder by this license"
    title_zh = "非该证照现任法定代表人（经营者、负责人）"


class NoMandate(Conflict):
    """Somebody who may not consent for the holder by the mandate that is named, or may no more."""

    type = "no-mandate"
    title = "This person may not consent for the holder by this mandate"
    title_zh = "无权代持证主体授权"


class GuardianNeeded(Conflict):
    """The holder is younger than 14: only a guardian consents."""

    type = "guardian-needed"
    title = "A guardian consents for a child"
    title_zh = "不满十四周岁，须由监护人授权"


class AuthorizationWithdrawnConflict(Conflict):
    """A withdrawn authorization changes no more."""

    type = "authorization-withdrawn"
    title = "The authorization was withdrawn"
    title_zh = "授权已撤回"


class SealUnfit(Conflict):
    """No seal of the issuer signs now: none is there, or it has expired, is revoked or begins later."""

    type = "seal-unfit"
    title = "The issuer has no seal that signs now"
    title_zh = "颁发机构暂无可用电子印章"


class CopyOver(Gone):
    """A copy's link after its time, or after its download."""

    type = "copy-over"
    title = "The copy's link opens no more"
    title_zh = "加注件链接已失效"


class CharacterMissing(Invalid):
    """A character that the font of documents lacks: no document is made with a gap."""

    type = "character-missing"
    title = "The font of documents lacks a character"
    title_zh = "证照文件字库缺字"


class InvalidHolderCode(Invalid):
    """facts of GB 11643, GB 32100 and GB/T 36903 Annex A."""

    type = "invalid-holder-code"
    title = "The holder code is not valid for its type"
    title_zh = "持证主体代码不合规"
    national_code = "103"


class CaseNumberUnfit(Invalid):
    """A case number with a citizen ID inside."""

    type = "case-number-unfit"
    title = "The case number contains a citizen ID"
    title_zh = "办件编号含有公民身份号码"


class LicenseTypeUnknown(Invalid):
    """No such license type is registered."""

    type = "license-type-unknown"
    title = "The license type is not registered"
    title_zh = "证照类型不存在或未发布"
    national_code = "13"


class FieldUnknown(Invalid):
    """A field name the type's catalog entry does not have."""

    type = "field-unknown"
    title = "The license type has no such field"
    title_zh = "证照类型无此字段"


class FieldsUnfit(Invalid):
    """Fields that do not fit the schema of the type; `errors` has all faults."""

    type = "fields-unfit"
    title = "The fields do not fit the type's schema"
    title_zh = "字段不符合证照类型的字段规范"


class ValidityUnfit(Invalid):
    """Dates that do not fit the type's validity rule, where the type refuses such licenses."""

    type = "validity-unfit"
    title = "The dates do not fit the type's validity rule"
    title_zh = "有效期不符合证照类型的有效期规则"


class SharingClassForbids(Invalid):
    """An unconditional authorization for a type that is not shared unconditionally."""

    type = "sharing-class-forbids"
    title = "The type's sharing class does not allow this mode"
    title_zh = "证照共享属性不允许此授权方式"


class ScopeWidened(Invalid):
    """Narrowing that would allow more than before."""

    type = "scope-widened"
    title = "An authorization can be narrowed, never widened"
    title_zh = "授权只能缩小，不能扩大"


class IdempotencyKeyReused(Invalid):
    """Another body under a known key."""

    type = "idempotency-key-reused"
    title = "This Idempotency-Key was used with another body"
    title_zh = "该 Idempotency-Key 已用于不同请求"


class QueueFull(TooManyRequests):
    """The appender's queue is full."""

    type = "queue-full"
    title = "The queue is full; nothing was done"
    title_zh = "队列已满，未受理"


class RefusalQuota(TooManyRequests):
    """A client whose requests are refused too often."""

    type = "refusal-quota"
    title = "Too many refused requests from this client"
    title_zh = "被拒请求过多"


class ComparisonLimit(TooManyRequests):
    """Too many comparisons of one holder missed today."""

    type = "comparison-limit"
    title = "Too many comparisons of this holder did not match today"
    title_zh = "今日对该持证主体的比对不一致次数过多"


class OutsidersSilent(Unavailable):
    """Witnesses or the time-stamp authority were silent beyond the limit that the operator set."""

    type = "outsiders-silent"
    title = "Nothing is appended: those who attest the log have been silent for too long"
    title_zh = "见证或时间戳长时间缺失，暂停入账"


class HistoryBehindAnchor(Unavailable):
    """The database lacks what the anchor has seen: a rollback, a restore, a lagging replica."""

    type = "history-behind-anchor"
    title = "The database is behind the anchor: appending has stopped"
    title_zh = "数据库落后于锚点，已停止写入"


class ClockUnfit(Unavailable):
    """The database's clock fell behind the head or away from the worker's."""

    type = "clock-unfit"
    title = "A clock is off: appending has stopped"
    title_zh = "时钟异常，已停止写入"


class OutcomeUnknown(Unavailable):
    """The database did not say whether the batch was committed; repeat with the same key."""

    type = "outcome-unknown"
    title = "The outcome is not known yet: repeat with the same Idempotency-Key"
    title_zh = "结果未知，请用相同的 Idempotency-Key 重试"


class BehindIndex(Unavailable):
    """A projection did not reach the index asked for within a second."""

    type = "behind-index"
    title = "The projection has not reached this index yet"
    title_zh = "查询视图尚未更新到指定位置"


class HistoryBroken(LedgerError):
    """500: a stored event, checkpoint or state row does not fit; writing stops."""

    type = "history-broken"
    title = "The stored history does not fit together"
    title_zh = "账本历史校验不一致"


def refuse(faults: Sequence[Fault], *, leaf: type[LedgerError] = Invalid) -> None:
    """Nothing without faults; raises `leaf` with all of them otherwise."""
    if faults:
        told = [{"field": fault.field, "message": fault.message} for fault in faults]
        raise leaf(faults[0].message, field=faults[0].field, errors=told)
