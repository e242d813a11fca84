print("chargefold")
