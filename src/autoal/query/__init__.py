"""What a query strategy is: the contract, the registry, and what strategies of strategies share."""
