"""The root and the branches of the tree of errors: a branch is an HTTP status; its leaves are elsewhere."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple


class Fault(NamedTuple):
    """One of several things wrong with a request."""

    field: str
    """Path of the member at fault."""
    message: str
    """Without the value."""


class LedgerError(Exception):
    """The root; never raised itself."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "The ledger failed"
    title_zh: ClassVar[str] = "系统内部错误"
    national_code: ClassVar[str | None] = "99"
    """The national share status 共享状态 that says the same; None: there is none."""

    def __init__(self, detail: str = "", *, field: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.field = field
        """Path of the request member at fault, `holder.code`."""
        self.extra = extra
        """Further members of the problem document; no personal data."""

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, whatever it was made of: one process tells another."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class Malformed(LedgerError):
    """400: the request cannot be read."""

    status = 400
    type = "malformed-request"
    title = "The request cannot be read"
    title_zh = "请求无法解析"
    national_code: ClassVar[str | None] = None


class Unauthenticated(LedgerError):
    """401: the caller has not shown who it is."""

    status = 401
    type = "unauthenticated"
    title = "No valid access token"
    title_zh = "未通过身份验证"
    national_code = "11"


class Forbidden(LedgerError):
    """403: known, but not allowed."""

    status = 403
    type = "forbidden"
    title = "This client may not do that"
    title_zh = "无权执行此操作"
    national_code = "100"


class NotFound(LedgerError):
    """404: nothing there, or nothing this caller may know of."""

    status = 404
    type = "not-found"
    title = "Nothing found"
    title_zh = "未找到"
    national_code: ClassVar[str | None] = None


class MethodNotAllowed(LedgerError):
    """405: the path is there, the method is not; `Allow` names those that are."""

    status = 405
    type = "method-not-allowed"
    title = "This path does not answer to this method"
    title_zh = "不支持该请求方法"
    national_code: ClassVar[str | None] = None


class Conflict(LedgerError):
    """409: well-formed, but the ledger's state does not allow it."""

    status = 409
    type = "conflict"
    title = "The state of the ledger does not allow this"
    title_zh = "当前状态不允许此操作"
    national_code: ClassVar[str | None] = None


class Gone(LedgerError):
    """410: it was there for its time, and is no more."""

    status = 410
    type = "gone"
    title = "It was there for its time and is no more"
    title_zh = "已失效"
    national_code: ClassVar[str | None] = None


class TooLarge(LedgerError):
    """413: more than a request may bring."""

    status = 413
    type = "too-large"
    title = "The request is too large"
    title_zh = "请求过大"
    national_code: ClassVar[str | None] = None


class RangeUnfit(LedgerError):
    """416: bytes were asked for that are not there."""

    status = 416
    type = "range-unfit"
    title = "The range lies beyond the end"
    title_zh = "请求范围超出内容"
    national_code: ClassVar[str | None] = None


class UnsupportedMediaType(LedgerError):
    """415: a body that does not say it is plain JSON."""

    status = 415
    type = "unsupported-media-type"
    title = "A body is sent as application/json, without Content-Encoding"
    title_zh = "请求体须为未压缩的 application/json"
    national_code: ClassVar[str | None] = None


class Invalid(LedgerError):
    """422: readable, but a value breaks a rule; `field` names it."""

    status = 422
    type = "invalid-value"
    title = "A value breaks a rule"
    title_zh = "字段值不合规"
    national_code: ClassVar[str | None] = None


class TooManyRequests(LedgerError):
    """429: come back later; nothing was done."""

    status = 429
    type = "too-many-requests"
    title = "Too many requests; nothing was done"
    title_zh = "请求过多，未受理"
    national_code: ClassVar[str | None] = None

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after_s = retry_after_s


class Unavailable(LedgerError):
    """503: the ledger cannot do this now; nothing was done unless said otherwise."""

    status = 503
    type = "unavailable"
    title = "The ledger cannot answer now"
    title_zh = "服务暂不可用"
    national_code = "99"
