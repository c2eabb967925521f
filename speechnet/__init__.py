"""speechnet: which word does a clip hold? (Not built yet.)"""
