"""The words of the auditor's page, Chinese and English side by side, and what rules and coverage are called in Chinese.

A rule without a Chinese name here is shown by its English sentence: a user's own rule needs no entry.
"""

from __future__ import annotations

import re

WORDS = {
    "title": ("基金账簿审计报告", "Audit of the fund ledger"),
    "made_for": ("账簿", "Journal"),
    "case": ("案卷", "Case"),
    "as_of": ("截至日期", "As of"),
    "print": ("打印", "Print"),
    "language": ("English", "中文"),
    "contents": ("目录", "Contents"),
    "coverage": ("检查范围", "What was checked"),
    "coverage_full": ("{0} 项检查中，{1} 项已全部检查。", "{1} of {0} checks were carried out in full."),
    "coverage_gaps": ("以下 {0} 项未检查或只检查了一部分：", "Not checked, or only in part ({0}):"),
    "checks": ("全部检查项目", "All checks"),
    "checked": ("已检查", "Checked"),
    "of": ("应检查", "Of"),
    "note": ("说明", "Note"),
    "what": ("项目", "What"),
    "partial": ("未全部", "in part"),
    "complete": ("全部", "in full"),
    "verdict": ("审计结论", "Verdict"),
    "findings": ("审计发现", "Findings"),
    "by_rule": ("按规则汇总", "By rule"),
    "rule": ("规则", "Rule"),
    "severity": ("性质", "Severity"),
    "error": ("差错", "error"),
    "warning": ("提示", "warning"),
    "number": ("数量", "Number"),
    "amount": ("金额（元）", "Amount (yuan)"),
    "any": ("全部", "all"),
    "search": ("查找文字", "Search text"),
    "fund": ("基金", "Fund"),
    "estate": ("小区", "Estate"),
    "reset": ("清除筛选", "Clear filters"),
    "shown": ("符合条件 {0} 条，显示第 {1} 至 {2} 条", "{0} match; {1} to {2} shown"),
    "shown_none": ("没有符合条件的发现", "No finding matches"),
    "no_findings": ("在已检查的范围内没有发现。", "Nothing was found in what was checked."),
    "earlier": ("上一页", "Previous"),
    "later": ("下一页", "Next"),
    "where": ("位置", "Where"),
    "got": ("实际", "Got"),
    "wanted": ("应为", "Wanted"),
    "clears": ("消除办法", "What clears it"),
    "clause": ("依据", "Clause"),
    "vouchers_of": ("凭证", "Vouchers"),
    "printed_part": ("打印前 {0} 条，其余 {1} 条见电子版。", "The first {0} are printed; {1} more are in the file."),
    "funds": ("基金余额", "Funds over time"),
    "funds_all": ("全部基金", "All funds"),
    "grouped": ("基金较多，按类别合并显示。", "There are many funds: they are drawn together by kind."),
    "cash": ("现金余额", "Cash"),
    "available": ("可用预算", "Available budget"),
    "encumbered": ("已承诺", "Encumbered"),
    "received": ("累计收入", "Received"),
    "paid": ("累计支出", "Paid"),
    "month": ("月份", "Month"),
    "monthly": ("逐月数据", "Month by month"),
    "way": ("资金流向", "The money's way"),
    "way_by": ("末端按", "Ends by"),
    "purpose": ("用途", "Purpose"),
    "payee": ("收款人", "Payee"),
    "way_none": ("没有资金流动。", "No money moved."),
    "way_untraced": ("资金流向无法追溯：", "The money cannot be traced: "),
    "way_table": ("流向明细", "The links as a table"),
    "way_total": ("来源合计 {0} 元 = 支出 {1} 元 + 结存 {2} 元", "Sources {0} = spent {1} + left {2} (yuan)"),
    "from": ("从", "From"),
    "to": ("到", "To"),
    "estates": ("小区明细", "Estates"),
    "estates_none": ("未提供案卷，无法按小区列示。", "No case was given: nothing can be shown by estate."),
    "unit": ("所属", "Belongs to"),
    "claims": ("应付事项", "Claims"),
    "owed": ("应付（元）", "Owed (yuan)"),
    "paid_claims": ("已付（元）", "Paid (yuan)"),
    "period": ("期间", "Period"),
    "status": ("状态", "Status"),
    "decided": ("决定日期", "Decided"),
    "provision": ("条款", "Provision"),
    "show_findings": ("查看发现", "Its findings"),
    "due": ("应付", "due"),
    "pending": ("待定", "pending"),
    "nothing due": ("无应付", "nothing due"),
    "refund due": ("应退", "refund due"),
    "vouchers": ("凭证目录", "Vouchers"),
    "vouchers_part": (
        "账簿共 {0} 笔凭证，此处列示 {1} 笔（审计发现涉及的优先）。",
        "The journal has {0} vouchers; {1} are listed here, those of findings first.",
    ),
    "voucher": ("凭证号", "Voucher"),
    "entry": ("分录号", "Entry"),
    "day": ("日期", "Day"),
    "recorded": ("记录日", "Recorded"),
    "kind": ("类型", "Kind"),
    "narrative": ("摘要", "Narrative"),
    "account": ("科目", "Account"),
    "debit": ("借方（元）", "Debit (yuan)"),
    "credit": ("贷方（元）", "Credit (yuan)"),
    "maker": ("制单", "Maker"),
    "approver": ("审核", "Approver"),
    "evidence": ("附件", "Evidence"),
    "sources": ("资金来源", "Where the money came from"),
    "receipt_entry": ("收入分录", "receipt entry"),
    "clauses": ("条款目录", "Clauses"),
    "clause_unquoted": ("（案卷未提供原文）", "(the text is not in what was given)"),
    "receipt": ("运行凭据", "Receipt of this run"),
    "program": ("程序", "Program"),
    "page_format": ("页面格式", "Page format"),
    "head": ("账簿链首", "Head of the journal"),
    "entries": ("分录数", "Entries"),
    "report_digest": ("报告摘要", "Digest of the report"),
    "policy": ("文件", "Document"),
    "registry": ("名册摘要", "Digest of the registry"),
    "library": ("图表库", "Charting library"),
    "page_digest": ("页面数据摘要", "Digest of the page's data"),
    "offline": (
        "本页为单一文件，可离线打开；不加载任何外部内容。",
        "This page is one file, opens without a network, and loads nothing from elsewhere.",
    ),
    "left": ("结存于 {0}", "left in {0}"),
    "back": ("回流：{0}", "again: {0}"),
    "rest": ("其余 {0} 项", "{0} others"),
    "many": ("{0}（{1} 个基金）", "{0} ({1} funds)"),
}  # (Chinese, English); {0} and {1} are put in by the page

RULES = {
    "gap": "分录缺号", "tampered": "分录被改动", "refused": "不符合入账规则", "unreadable": "分录无法读取",
    "cut-off": "账簿被截断或改写", "stray-postings": "无主分录行", "stray-entries": "多余分录", "unguarded": "防改触发器缺失",
    "block": "封存块不符", "snapshot": "余额快照不符", "unallocated": "资金无法追溯来源", "evidence-missing": "原始凭证缺失",
    "evidence-altered": "原始凭证被改动", "no-claim": "无对应应付事项", "wrong-entry": "分录与应付事项不符",
    "other-evidence": "依据文件不一致", "wrong-amount": "金额不符", "paid-not-due": "不应支付而支付", "withheld": "应付未付",
    "unpaid": "到期未入账", "early": "提前支付", "late": "逾期支付", "deadline-missed": "逾期未办", "deadline-late": "逾期办理",
    "not-booked": "事项未入账", "booked-otherwise": "入账与案卷不符", "no-source": "入账无案卷依据",
}  # fmt: skip

COVERAGE = {
    "entries through the gate again": "分录重新通过入账检查",
    "entries whose hash and place in the tree hold": "分录哈希及其在树中的位置相符",
    "nothing cut off or rewritten since a head that was kept": "自留存链首以来未被截断或改写",
    "sealed blocks the same as their entries": "封存块与分录一致",
    "snapshots of balances drawn again": "余额快照重新计算",
    "refused attempts on record": "记录在案的被拒尝试",
    "fences amended": "基金范围变更",
    "closed periods opened again": "已结期间重新打开",
    "errors of an earlier year put right": "更正以前年度差错",
    "claims for money back waived": "免除追回",
    "money that went out traced to its receipts": "支出逐笔追溯至收入",
    "source documents compared with their digests": "原始凭证与摘要核对",
    "claims re-assessed": "应付事项重新计算",
    "claims re-assessed, paid amounts and shares compared": "应付事项重新计算，并与支付金额及分担比对",
    "deadlines counted": "期限核算",
    "facts of the case booked as they stand": "案卷事实如实入账",
    "bank statements matched": "银行对账",
}

KINDS = {
    "open_fund": "设立基金", "amend_fund": "变更基金", "appropriation": "拨款", "receipt": "收入", "encumbrance": "承诺",
    "release": "解除承诺", "disbursement": "支付", "advance": "预付", "settlement": "结算", "spending": "支出",
    "transfer": "划转", "loan": "借出", "repayment": "归还", "claw_back": "追回", "recovery": "收回", "waiver": "免除",
    "carry_forward": "结转", "surrender": "上缴", "close": "结账", "reopen": "反结账", "reversal": "红字冲销",
    "correction": "蓝字更正", "refusal": "被拒尝试",
}  # fmt: skip

ACCOUNTS = {
    "cash": "现金", "funding": "拨入", "payable": "代收款", "transfer_in": "转入", "transfer_out": "转出",
    "expenditure": "支出", "surrendered": "上缴", "advanced": "预付", "receivable": "应收追回", "recovery": "追回收入",
    "due_from": "应收基金往来", "due_to": "应付基金往来", "authority": "预算授权", "unencumbered": "可用预算",
    "encumbered": "已承诺", "expended": "已支出",
}  # fmt: skip

# Sentences that an audit writes, as patterns, and the same in Chinese. Where none fits, the English one stands.
SENTENCES = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        (r"not checked: no case was given", "未检查：未提供案卷"),
        (r"not checked: no bank was given", "未检查：未提供银行对账单"),
        (r"not checked: no case and no bank was given", "未检查：未提供案卷和银行对账单"),
        (r"not checked: there is no evidence folder", "未检查：没有原始凭证文件夹"),
        (r"not checked: none are read yet", "未检查：尚未读入"),
        (r"not checked: give the head or the checkpoint of an earlier day.*",
         "未检查：请提供较早日期的链首或检查点；否则无法看出末尾被截断"),
        (r"not checked: only (\d+) was asked for", r"未检查：只要求检查 \1 年"),
        (r"the journal passes through what was kept", "账簿经过留存的链首"),
        (r"(\d+) not payable before (\S+) is over", r"\1 项在 \2 之前尚不应付"),
        (r"(\d+) pending: not paid, not nought", r"\1 项待定：未支付，也不为零"),
        (r"(\d+) lie after (\S+)", r"\1 项在 \2 之后"),
        (r"(\d+) not started", r"\1 项尚未开始"),
        (r"entry (\d+)", r"分录 \1"),
        (r"entries ([\d, ]+)( and others)?", r"分录 \1"),
        (r"due, and not paid by (\S+)", r"到期应付，截至 \1 未付"),
        (r"due, and not booked by (\S+)", r"到期应付，截至 \1 未入账"),
        (r"the payment is not what the document gives", "支付金额与文件规定不符"),
        (r"paid although nothing due", "无应付而支付"),
        (r"paid although pending", "尚待定而支付"),
        (r"paid although (.+)", r"不应支付而支付（\1）"),
        (r"paid (\d+) days? before the decision", r"早于决定 \1 天支付"),
        (r"paid (\d+) days? late", r"逾期 \1 天支付"),
        (r"booked, and nowhere in the case", "已入账，但案卷中没有"),
        (r"a fact of the case is not booked", "案卷事实未入账"),
        (r"booked as entry (\d+), and reversed", r"已作为分录 \1 入账，后被冲销"),
        (r"booked otherwise than the case says \(entry (\d+)\)", r"入账与案卷不一致（分录 \1）"),
        (r"a (\w+) for a claim that the case does not know", r"案卷中没有对应的应付事项（\1）"),
        (r"the (\w+) is not that of the claim", r"\1 与应付事项不符"),
        (r"the (\w+) rests on other documents than the claim now does", r"\1 所依据的文件与应付事项现行依据不同"),
        (r"a field of the entry was changed after booking", "分录入账后有字段被改动"),
        (r"the entries up to here are not those that were booked", "此前的分录不是当时入账的分录"),
        (r"the gate refuses it: (.*)", r"不能通过入账检查：\1"),
        (r"([\d,]+) entr(?:y|ies) missing before entry (\d+).*", r"分录 \2 之前缺 \1 笔；其后可能受其影响"),
        (r"reverse the payment and book the right one", "冲销该笔支付，并按正确金额入账"),
        (r"reverse it and book the right one", "冲销并重新正确入账"),
        (r"reverse it, or correct the case", "冲销，或更正案卷"),
        (r"reverse it, and find out how it got in", "冲销，并查明如何入账"),
        (r"pay it", "予以支付"),
        (r"run the case again, or say why it is not paid", "重新运行案卷，或说明未付原因"),
        (r"run the case again", "重新运行案卷"),
        (r"explain on what ground it was paid", "说明支付依据"),
        (r"explain the delay in the file; it cannot be undone", "在档案中说明逾期原因；无法撤回"),
        (r"add the row it rests on to the case, or reverse it", "在案卷中补充依据，或予以冲销"),
        (r"correct the case, or reverse the entry", "更正案卷，或冲销分录"),
        (r"see which is right", "核实以何者为准"),
        (r"restore the ledger from a backup, and find out who could write to it", "从备份恢复账簿，并查明谁有写入权限"),
        (r"by (\d{4}-\d\d-\d\d)", r"不晚于 \1"),
        (r"on (\d{4}-\d\d-\d\d)", r"于 \1"),
        (r"nothing", "无"),
        (r"not done", "未办"),
    )
)  # fmt: skip


def in_chinese(sentence: str) -> str:
    """A sentence of an audit in Chinese; empty where no pattern fits. Notes joined by `; ` are looked up one by one.

    >>> in_chinese("due, and not paid by 2024-03-01"), in_chinese("rule late"), in_chinese("something else")
    ('到期应付，截至 2024-03-01 未付', '规则：逾期支付', '')
    """
    if sentence in COVERAGE:
        return COVERAGE[sentence]
    if sentence.startswith("rule "):
        name = RULES.get(sentence.removeprefix("rule "), "")
        return f"规则：{name}" if name else ""
    for pattern, chinese in SENTENCES:
        if found := pattern.fullmatch(sentence):
            return found.expand(chinese)
    parts = [in_chinese(part) for part in sentence.split("; ")] if "; " in sentence else []
    return "；".join(parts) if parts and all(parts) else ""


__all__ = ["ACCOUNTS", "COVERAGE", "KINDS", "RULES", "SENTENCES", "WORDS", "in_chinese"]
