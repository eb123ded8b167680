"""How people command a reminder, an event or a note, and where in the command its title stands: one table a label.

The patterns of a label are tried in order, on an utterance without its times and without politeness; `title` is kept.
For notes that go on a list, `list` is the list, `item` what goes on it, `name` what the list is called.
"""

import re
from typing import Final

from schemas.intents import IntentLabel

_REMIND: Final = r"(?:remind(?:ing)?|nudge|ping|alert|notify|buzz|poke|prompt|tell|warn|text|call|bug|pester|inform)"
_ALARM: Final = r"(?:reminders?|alarms?|alerts?|nudge|notification|timer|wake[- ]?up(?: call)?|heads[- ]up)"
_KINDS: Final = (
    r"(?:new |daily |weekly |monthly |recurring |quick |another |repeating |little |hourly |nightly |yearly |"
    r"short |single )*"
)
# For each label: patterns tried in order on the text without times and politeness. `title` is what is kept.
COMMANDS: Final[dict[IntentLabel, tuple[re.Pattern[str], ...]]] = {
    label: tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in patterns)
    for label, patterns in {
        IntentLabel.CREATE_REMINDER: (
            rf"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:so |and |then |please |can you |could you |)*{_REMIND} (?:me|us)"
            r"(?: (?:then|of it|of that|about it|about that|to do it|to do that|again|that day|about this|"
            r"an? \w+ before|each time|please|first))*[\s.!?]*\Z",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:so |and |then |please |can you |could you |)*(?:(?:set|make|create|"
            r"add) (?:me )?(?:a|an) (?:reminder|alarm)(?: (?:for|about) (?:it|that))?|"
            r"give me a (?:shout|nudge|heads[- ]up|reminder)|don't let me forget(?: it| that)?|"
            r"i need a reminder)[\s.!?]*\Z",
            rf"\b(?:{_REMIND}) (?:me|us|myself)(?: (?:again|please|later|in time))*[\s,:]+(?:(?:to|that|about|of|"
            rf"when|when it's|for|it's|i|we|not to|regarding|with|how|why|where|who|what|as|so|the|"
            rf"my)\b)(?<=to)\s+(?P<title>.+)",
            rf"\b(?:{_REMIND}) (?:me|us|myself)(?: (?:again|please|later|in time))*[\s,:]+(?:that|about|of|for|"
            rf"regarding|with)?\s*(?P<title>.+)",
            r"\b(?:be|get) (?:reminded|told|notified|alerted)[\s,:]+(?:to|about|of|that)?\s*(?P<title>.+)",
            rf"\b(?:set|make|create|add|put|start|schedule|give me|get me|need|want|have|place|get|new|save|enter|"
            rf"leave|i'd like|like|program|in)\b(?: (?:up|in|down|me|us|myself))*(?: an?| the| my| another|"
            rf" one)? ?{_KINDS}{_ALARM}(?: in)?(?: for (?:me|us|myself))?"
            r"[\s,:\-–—]*(?:(?:to|for|about|that|of|called|named|titled|saying|which says|that says|so|when|on|"
            r"with the title|concerning|regarding)\b)?[\s,:]*(?P<title>.+)",
            rf"\A(?:an?|the|my|another)?\s*{_KINDS}{_ALARM}\b[\s,:\-–—]*(?:(?:to|for|about|that|of|called|saying|"
            rf"so|on)\b)?[\s,:]*(?P<title>.+)",
            r"\b(?:add|put|enter|write|stick|place)\s+(?P<title>.+?)\s+(?:to|on|in|into|onto|as|among)\s+(?:(?:my|"
            r"the|our|a)\s+)?(?:list of )?(?:reminders?|reminder list|to[- ]?dos?(?: list)?|tasks?|alarms?)",
            r"\b(?:don't|do not|never|can't|mustn't|so i don't|can not)\s+(?:let me |let us |want to |wanna |"
            r")forget(?:ting)?\b[\s,:]*(?:to|about|that|it's|it is)?\s*(?P<title>.+)",
            r"\b(?:don't|do not) let (?:me|us|the day end without me)\s+(?:miss|sleep past|skip|oversleep|"
            r"leave without)?\s*(?P<title>.+)",
            r"\b(?:make sure|ensure|be sure|see to it)(?: that)? (?:i|we)(?: don't forget(?: to| about)?|"
            r" remember(?: to| about| that)?| do not forget(?: to)?)?\s*(?P<title>.+)",
            r"\b(?:help me(?: to)?|make me|have me|get me to|let me)\s+(?:remember|think of)\s+(?:to |about |"
            r"that )?(?P<title>.+)",
            r"\bget (?:me|us) to (?P<title>.+)",
            r"\bremember to (?:remind|tell) me (?:to|about|of|that) (?P<title>.+)",
            r"\A(?:i )?(?:need to |have to |must |should |want to )?remember(?: to| about| that)? (?P<title>.+)",
            r"\b(?:let me know|give me (?:a )?(?:shout|heads[- ]up|nudge|ring|buzz))\b[\s,]*(?:about|that|to|"
            r"when(?: it's time to)?|so i(?: can)?|for|before|so)?\s*(?P<title>.+)",
            r"\A(?P<title>wake (?:me|us)(?: up)?|get me up|get me out of bed)\b",
            r"\A(?P<title>.+)\Z",
        ),
        IntentLabel.SCHEDULE_EVENT: (
            r"\b(?:block|mark|clear|free|reserve)(?: off| out)? (?:my |the )?(?:calendar|diary|schedule|"
            r"agenda)(?: off| out)?\s*(?:for|with|as|to)\s+(?P<title>.+)",
            r"\b(?:put|add|enter|mark|place|insert|write|stick|pop|note|include|log|record|save|schedule|book|get|"
            r"set|slot|register|drop|pencil)(?: down| in)?\s+(?P<title>.+?)\s+(?:in|on|to|into|onto|down in|"
            r"down on|up in|up on)\s+(?:(?:my|the|our|your)\s+)?(?:\w+ )?(?:calendars?|diary|schedule|agenda|"
            r"planner|events?)\b.*\Z",
            r"\A(?:(?:create|make|add|set up|new|put in|start|schedule|enter)\s+)?(?:an? |the |"
            r"my )?(?:new )?(?:calendar|diary)\s*(?:new )?(?:event|entry|item|appointment)?[\s,:\-–—]+(?:(?:for|"
            r"called|named|titled|about|to|with)\s+)?(?P<title>.+)\Z",
            r"\b(?:create|make|add|set up|new|put in|schedule|enter|have|i'd like)\s+(?:an? |the |my )?(?:new |"
            r"recurring |calendar |all[- ]day )*(?:event|entry)\b[\s,:\-–—]*(?:(?:for|called|named|titled|about|on|"
            r"to|saying)\b)?[\s,:]*(?P<title>.+)",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:please |can you |could you |so |and )*(?:(?:add|put|schedule|mark|"
            r"enter|note|save|write|block|book|get|pop|stick|log)\s+(?:it|that|this|them|those|me)\b.*|(?:put|mark|"
            r"write) (?:it|that) (?:down|in).*|save the date)\Z",
            r"\bi(?:'ve| have)?(?: also)? (?:have |got |had )?(?:an? )?(?P<title>(?<=\ba )\S.*|(?<=\ban )\S.*)\Z",
            r"\A(?:we|i|there)(?:'ve| have|'re| are|'s| is|'m| am)?(?: got| having| also| going to be| gonna have|"
            r" have| is)*(?: going to| off to| attending)?\s+(?P<title>.+)",
            r"\b(?:schedule|arrange|plan|book|organi[sz]e|set up|set|fix(?: up)?|pencil in|pencil|create|make|"
            r"reserve|block(?: off| out)?|add|put(?: in| down)?|mark|keep|save|new|sign me up for|put me down for|"
            r"enter|insert|line up|host|throw|have|save the date for|i need|need)\b(?: me|"
            r" us)?(?: time)?\s*:?\s*(?:for (?=the |my |a ))?(?P<title>.+)",
            r"\A(?P<title>.+)\Z",
        ),
        IntentLabel.CREATE_NOTE: (
            r"\b(?:add|put|throw|stick|pop|write|place|include|enter|chuck|append|attach|jot)(?: this(?: thought)?|"
            r" down)?[\s,:]*(?P<item>.+?)\s+(?:to|on|onto|in|into|under|for)\s+(?:my |the |our |"
            r"a )?(?P<list>(?:[\w'-]+ ){0,3}(?:list|lists|notes|journal|notebook))(?P<rest>\s*[:,]\s*.+)?\s*[.!]?\Z",
            r"\A(?P<list>(?:bucket|shopping|grocery|packing|wish|to[- ]?do)[ -]list)[\s,:]+(?:add )?(?P<item>.+)\Z",
            r"\b(?:make|start|begin|create|new)\s+(?:me )?(?:an? |the |"
            r"another )?(?:new )?(?P<list>(?:[\w'-]+ ){0,3}list)\b(?: (?:called|named|titled|of|"
            r"for)\s+(?P<name>.+?))?(?:\s*(?:,|:)?\s*(?:and |with |to )?(?:(?:add|put|including|containing|with|"
            r"write)\b)\s*(?P<item>.+?)(?:\s+(?:to|on|in) it)?)?\s*[.!]?\Z",
            r"\A(?P<title>.+?)[\s,;.!?:\-–—]+(?:please |can you |could you |so |and )*(?:(?:make|take|write|keep|"
            r"save|put|jot|note|log|store) (?:a note(?: of (?:it|that|this))?|that down|it down|this down|(?:it|"
            r"that|this)(?: (?:somewhere|in my notes|as a note|down|to my notes|for later|please))*)|note (?:it|"
            r"that)(?: (?:down|somewhere|please))*|(?:write|jot|take|put|copy|note) (?:that|it|this) down|"
            r"don't forget (?:it|that)|keep that)\s*[.!]?\Z",
            r"\b(?:make|take|write|create|add|save|leave|keep|put|start|log|record|jot|do|set|drop|have|"
            r"pop)\b(?: down| me| in| up)*(?: an?| the| my| this| another| one)? ?(?:new |quick |short |little |"
            r"mental |brief |voice |written |personal )*(?:note|memo|remark|journal entry|diary entry|record|"
            r"reminder note)s?\b(?: in| down)?(?: for (?:me|us|myself|later))?[\s,:\-–—]*(?:(?:that(?: says)?|"
            r"of(?: the fact that)?|about|to(?: self)?|saying(?: that)?|which says|on|for|with|called|titled|"
            r"reading|regarding|as follows|in my notes)\b)*[\s,:]*(?P<title>.+)",
            r"\A(?:an?|the|my|another|this)?\s*(?:new |quick |short |little |mental |voice )*(?:note|memo|"
            r"journal entry|notes|for my notes|for the record)(?: (?:down|to (?:my)?self|for (?:myself|later|me)|"
            r"this(?: down)?|here|in my notes|please))*[\s,:\-–—]*(?:(?:that(?:'s)?|of|about|to|saying|on|"
            r"as)\b)?[\s,:]*(?P<title>.+)",
            r"\b(?:note|write|jot|take|put|mark|copy|scribble|record|get|type|set)(?: (?:this|these|the following|"
            r"that|it))? down\b[\s,:\-–—]*(?:(?:that|of|about|for me|to)\b)?[\s,:]*(?P<title>.+)",
            r"\b(?:keep|bear|have) in mind[\s,:]*(?:that |to )?(?P<title>.+)",
            r"\b(?:keep track of|keep a record of|take note(?: of)?(?: that)?|make note(?: of)?(?: that)?|document|"
            r"capture|memorise|memorize|log|store|save|dictate|record|remember|write|note|jot|put|enter|"
            r"add)(?: (?:this|these|the following|this (?:idea|thought|one))(?! is\b))?(?: (?:as a note|"
            r"to my notes|in my notes|to notes))?[\s,:\-–—]*(?:(?:that|about|down|of|in my notes|as a note|idea|"
            r"thought)\b)?[\s,:]*(?P<title>.+)",
            r"\A(?P<title>.+)\Z",
        ),
    }.items()
}  # fmt: skip
