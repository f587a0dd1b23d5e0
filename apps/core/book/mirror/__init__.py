"""Mirror mode, pure: which accounts get orders of their own, and what becomes of those.

An account is a *leg* when the master's server cannot (or is not to) book shares on it: the book is
in mirror mode, or the account lives on another trading server. All other accounts of the block
have their share of the one master order. Legs go once the master order is filled, at once where
there is none. A leg's ticket has its own price; what it slipped is recorded.

    routing   the plan of a block's legs, own volumes of a close      (called by decide for all)
    legs      fills and ends of legs, retries                         venues   servers, modes, ids
"""
