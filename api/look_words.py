"""What the page behind a QR code says, in Chinese and English: one glance, the reason, what to do."""

from __future__ import annotations

from typing import NamedTuple

from api.look_request import Language


class Words(NamedTuple):
    """The same in both languages."""

    zh: str
    en: str

    def of(self, language: Language) -> str:
        """The text in a language."""
        return self.en if language == "en" else self.zh


VERDICTS: dict[str, Words] = {
    "valid": Words("有效", "Valid"),
    "endorsement-overdue": Words("有效，年检逾期", "Valid, endorsement overdue"),
    "changed": Words("已变更", "Changed since issue"),
    "holder-ended": Words("持证主体已终止", "Holder ended"),
    "not-valid": Words("无效", "Not valid"),
    "unknown": Words("查无此证", "Unknown code"),
    "check-ledger": Words("请向账本核对", "Check the ledger"),
    "cannot-tell": Words("暂时无法核验", "Cannot tell now"),
    "wait": Words("请稍候再试", "Please wait"),
}
RESULTS: dict[str, Words] = {
    "effective": Words("账本中的状态：有效", "In force in the ledger"),
    "endorsement-overdue": Words(
        "证照仍有效，但未按期年检（签注）", "In force, but not endorsed in time (annual review)"
    ),
    "not-yet-effective": Words("尚未到生效日期", "Not yet valid: its first day has not come"),
    "frozen": Words("已查封（冻结）", "Frozen by order"),
    "lost": Words("已挂失", "Reported lost"),
    "suspended": Words("已暂扣", "Suspended"),
    "restricted": Words("限制使用", "Its use is restricted"),
    "holder-ended": Words("持证主体已注销或死亡，证照不再使用", "The holder has died or was dissolved"),
    "expired": Words("已过有效期", "Expired"),
    "superseded": Words(
        "此件为旧版本，账本中已有新版本", "This is an earlier version; a newer one has replaced it"
    ),
    "piece-cancelled": Words(
        "此件副本已作废（遗失、损坏或收回）", "This printed piece was lost, replaced or given back"
    ),
    "annulled": Words("已撤销（自始无效）", "Annulled: void from the start"),
    "recalled": Words("已撤回", "Recalled"),
    "revoked": Words("已吊销", "Revoked"),
    "cancelled": Words("已注销", "Cancelled"),
    "void": Words("制证错误，已作废", "Void: made by mistake"),
    "transferred-out": Words("已转出至其他颁证机关", "Transferred to another authority"),
}
FAILURES: dict[str, Words] = {
    "not-a-token": Words("这不是证照二维码，或内容残缺", "This is no license code, or part of it is missing"),
    "key-unknown": Words(
        "此码不是用本账本的密钥签发的", "This code was not signed with a key of this ledger"
    ),
    "signature-invalid": Words("签名不符：此码系伪造或被改动", "The signature is wrong: forged or altered"),
    "license-unknown": Words("本账本现无此证照记录", "This ledger has no such license now"),
    "key-compromised": Words(
        "签发此码的密钥已泄露，且此码与账本记录不符",
        "Its key was compromised, and it is not what the ledger has",
    ),
    "cannot-tell": Words(
        "现在读不到账本的最新状态，不能给出结论",
        "The ledger's present state cannot be read: no answer is given",
    ),
    "wait": Words("查询过于频繁，未做核验", "Too many looks: nothing was checked"),
    "unfit": Words("请求无法识别，未做核验", "The request cannot be read: nothing was checked"),
}
ADVICE: dict[str, Words] = {
    "valid": Words(
        "请将纸面内容与下列信息、持证人相核对。二维码可以被复印：请用“票面比对”确认纸面未被改动。",
        "Compare the paper and the person with what stands below. A code can be copied: "
        "use “Compare with the paper” to see that the print was not altered.",
    ),
    "endorsement-overdue": Words(
        "证照可用，请提醒持证人尽快办理年检；有特别规定的，按规定办理。",
        "It may be accepted; tell the holder to have it endorsed. Where a rule of the matter says otherwise, "
        "follow it.",
    ),
    "changed": Words(
        "不要收此旧件。请持证人出示新版证照，扫描新件上的二维码。",
        "Do not accept this print. Ask for the newer one and scan the code on it.",
    ),
    "holder-ended": Words(
        "不要收此件。清算、继承等法定情形请向颁证机关核实。",
        "Do not accept it. For liquidation or inheritance ask the issuing authority.",
    ),
    "not-valid": Words(
        "不要收此件。持证人有异议的，请其联系颁证机关。",
        "Do not accept it. Whoever disagrees turns to the issuing authority.",
    ),
    "unknown": Words(
        "不要凭此件办理。请重新扫码；仍然如此的，请向颁证机关核实，谨防伪造。",
        "Do not rely on this paper. Scan again; if it stays so, ask the issuing authority: it may be forged.",
    ),
    "check-ledger": Words(
        "不要凭此码办理。请凭证照编号由已登记的系统向账本核验，或请颁证机关重新制证。",
        "Do not rely on this code. Have the license verified by a registered system, or printed anew.",
    ),
    "cannot-tell": Words(
        "这不表示证照无效，也不表示有效。请稍后再扫，或用信任文件离线核验。",
        "This does not mean that it is invalid, nor that it is valid. Try again soon, or verify offline.",
    ),
    "wait": Words("请稍候片刻再扫码。", "Wait a moment and scan again."),
}
PAPER: dict[str, Words] = {
    "matches": Words("与纸面一致：编号和名称相符", "The paper matches: number and name are right"),
    "differs": Words(
        "与纸面不符：请核对输入；无误的，纸面可能被改动，不要收",
        "The paper does not match: check what you typed; if it is right, the print may be altered. "
        "Do not accept it",
    ),
    "unfit": Words("请填写编号和名称后再比对", "Fill in both number and name"),
}
LABELS: dict[str, Words] = {
    "title": Words("电子证照核验", "License check"),
    "as_of": Words("状态截至", "Status as of"),
    "beijing": Words("（北京时间）", "Beijing time"),
    "no_answer": Words("未作核验", "Nothing was checked"),
    "license": Words("证照信息", "The license"),
    "type": Words("证照类型", "Type"),
    "holder": Words("持证主体（部分隐去）", "Holder (partly hidden)"),
    "issuer": Words("颁证机关", "Issuer"),
    "code": Words("统一社会信用代码", "Credit code"),
    "issued_on": Words("颁发日期", "Issued on"),
    "term": Words("有效期", "Valid"),
    "long_term": Words("长期", "no end"),
    "to": Words("至", "to"),
    "piece": Words("此件", "This piece"),
    "original": Words("正本", "Original"),
    "counterpart": Words("副本", "Counterpart"),
    "version": Words("版本", "Version"),
    "since": Words("自", "Since"),
    "replaced_on": Words("新版本自", "The newer one holds from"),
    "retired": Words(
        "签发此码的密钥已停用，签名仍可信", "The key of this code signs no more; its signature still counts"
    ),
    "compromised": Words(
        "签发此码的密钥已泄露；此码已与账本逐项核对，一致",
        "Its key was compromised; the code was compared with the ledger and is the same",
    ),
    "compare": Words("票面比对", "Compare with the paper"),
    "compare_why": Words(
        "输入纸面所印的编号和名称，看是否与此码签发时一致。不会保存输入的内容。",
        "Type the number and name as printed to see whether they are those this code was made for. "
        "What you type is not kept.",
    ),
    "number": Words("证照编号", "License number"),
    "name": Words("持证主体名称", "Holder's name"),
    "button": Words("比对", "Compare"),
    "result": Words("票面比对结果", "Comparison with the paper"),
    "trust": Words("不信任本网页也能核验", "Check without trusting this page"),
    "host": Words(
        "先看浏览器地址栏：本账本的二维码只指向",
        "Look at the address first: codes of this ledger lead only to",
    ),
    "offline": Words(
        "离线核验：将二维码的文字存为 code.txt，从主管部门的公开渠道（而非本页）取得信任文件，然后运行",
        "Offline: save the text of the code as code.txt, get the trust file from the authority, not by this "
        "page, and run",
    ),
    "receipt": Words(
        "需要留痕或回执的，请用已登记的系统核验；本页的查看不留记录，只按小时计数。",
        "For a record and a receipt verify by a registered system. Looks at this page are not recorded, "
        "only counted by the hour.",
    ),
    "demonstration": Words("演示账本：全部数据均为虚构", "Demonstration: everything here is invented"),
    "public": Words("公开信息", "Published"),
}
COMMAND = "license-ledger verify code.txt --trust trust.json"
