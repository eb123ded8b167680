"""Facts on the wire: events, ids, subjects and the contracts a model must answer in. Knows no broker, model or disk."""
