"""The words that the painter knows, by what they mean, in the languages it has been taught so far.

Latin words stand without accents and in lower case; they are compared with whole words of the prompt, of which an
ending of one or two letters may be dropped. Words in other scripts, and emoji, may stand anywhere in the prompt.
"""
# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones are what this file is about

from __future__ import annotations

SCENES: dict[str, str] = {
    "mountains": """
        mountain mountains mount peak peaks summit alps alpine ridge cliff cliffs hiking hike climb climbing climber
        trail valley glacier volcano canyon fjord lake river waterfall outdoor outdoors adventure trekking berg berge
        gebirge gipfel tal wandern fluss montagne montagnes sommet vallee lac montana montanas cumbre sierra valle
        lago montagna monti montanha 山 山脉 山岳 산 горы гора вершина озеро جبل 🏔 ⛰ 🗻 🌋 🏞
    """,
    "sea": """
        sea seas ocean oceans beach beaches coast coastal shore seaside island islands bay harbor harbour wave waves
        surf surfing surfer sail sailing sailboat boat ship yacht lighthouse cruise nautical marine maritime tropical
        lagoon reef meer ozean strand kuste insel hafen welle segeln segelboot leuchtturm mer plage cote ile vague
        voile bateau phare mar oceano playa costa isla ola velero barco faro praia ilha spiaggia isola 海 大海 海洋 海滩 海辺
        바다 море океан пляж остров بحر 🌊 🏖 🏝 ⛵ 🛥 🚢 🐳 🐬 🏄
    """,
    "city": """
        city cities town urban skyline skyscraper skyscrapers downtown metropolis street streets building buildings
        tower towers architecture office offices business startup company corporate finance bank banking tech
        technology conference traffic taxi subway manhattan tokyo london paris berlin york stadt hochhaus hochhauser
        strasse gebaude buro unternehmen ville rue immeuble bureau entreprise ciudad calle edificio oficina empresa
        citta strada cidade rua 城市 東京 北京 上海 서울 都市 都会 도시 город улица офис مدينة 🏙 🌆 🌃 🏢 🌇 🚕 🏦
    """,
    "forest": """
        forest forests wood woods woodland trees pine pines fir firs spruce jungle rainforest grove nature wild
        wilderness deer fox bear owl camping camp wald walder baume tanne natur foret arbres bosque arboles selva
        naturaleza floresta 森 森林 林 숲 лес деревья природа غابة 🌲 🌳 🎄 🏕 🦌 🦊 🐻 🦉
    """,
    "desert": """
        desert deserts dune dunes sand sands sahara oasis camel camels cactus arid mesa wuste kaktus desierto duna
        arena deserto sable chameau 沙漠 砂漠 사막 пустыня صحراء 🏜 🐪 🐫 🌵
    """,
    "space": """
        space galaxy galaxies planet planets cosmos cosmic universe universal nebula astronaut rocket spaceship orbit
        saturn mars jupiter asteroid comet alien interstellar stellar astronomy scifi weltraum weltall galaxie rakete
        espace planete fusee univers espacio planeta cohete universo spazio pianeta espaco 宇宙 太空 星系 惑星 우주 космос
        планета вселенная فضاء 🚀 🪐 🌌 👽 🛸 👩‍🚀 🌍
    """,
    "meadow": """
        meadow meadows field fields grass grassland hill hills countryside farm farming village garden park spring
        summer picnic pasture prairie tree oak arbre arbol albero landscape harvest vineyard horse
        cow sheep butterfly bee wiese feld baum hugel garten fruhling sommer bauernhof landschaft champ colline
        jardin printemps campagne campo prado colina primavera verano giardino estate prato 草原 田野 庭 花园 들판 поле луг сад
        весна лето مرج 🌾 🌻 🏡 🦋 🐝 🐑 🐄 🐎 🌷 🌼
    """,
    "snow": """
        snow snowy winter ice icy frost frosty frozen arctic polar christmas xmas ski skiing snowboard igloo iceberg
        blizzard schnee eis verschneit weihnachten neige hiver glace noel nieve invierno hielo navidad neve inverno
        natale 雪 冬 눈 겨울 снег зима лёд ثلج ❄ ☃ ⛄ 🎿 🏂 🎅 🐧
    """,
    "still life": """
        still coffee tea cup mug espresso cappuccino latte cafe vase bouquet bottle perfume wine cosmetics cosmetic cream
        serum skincare beauty lotion product products packaging food fruit fruits bowl apple orange lemon kitchen
        restaurant bakery breakfast recipe dinner lunch brunch drink juice plant pot interior furniture home shop
        store sale fashion jewelry candle spa wellness kaffee tee tasse flasche parfum wein produkt obst kuche essen
        stilleben bouteille produit fleuriste vin botella vino producto fruta comida frutta bottiglia tazza cafeteria
        咖啡 コーヒー 茶 水果 商品 커피 кофе чай ваза фрукты قهوة ☕ 🍵 🍷 🍾 🍎 🍊 🍋 🍇 🥗 🍕 🍔 🧴 💄 🏺 💐 🛍 🪴
    """,
    "abstract": """
        abstract pattern gradient shapes shape geometric minimal minimalist minimalistic modern background wallpaper
        texture fluid swirl abstrakt muster hintergrund abstrait motif abstracto patron fondo astratto 抽象 추상
        абстракция تجريدي
    """,
}

LIGHTS: dict[str, str] = {
    "dawn": """
        dawn sunrise daybreak morning mornings early morgen morgendammerung sonnenaufgang aube aurore matin lever
        amanecer alba manana manha mattina 黎明 日出 朝 아침 рассвет утро فجر 🌅 🌄
    """,
    "day": """
        day daytime noon midday sunny sunlight daylight summer bright clear blue-sky tag mittag sonnig jour midi
        ensoleille dia soleado giorno soleggiato 白天 晴天 昼 낮 день солнечно نهار ☀ 🌞 😎
    """,
    "golden hour": """
        golden gold afternoon warm-light harvest goldene goldenes nachmittag dore apres-midi dorado dorada tarde
        dorato 黄金 золотой
    """,
    "dusk": """
        dusk sunset sundown twilight evening evenings romantic abend sonnenuntergang dammerung crepuscule coucher soir
        atardecer ocaso anochecer tramonto sera por-do-sol 黄昏 夕阳 日落 夕焼け 夕暮れ 노을 закат вечер غروب 🌇 🌆
    """,
    "night": """
        night nights nighttime midnight moon moonlight moonlit star stars starry nocturnal nacht mond sterne
        mitternacht nuit lune etoile etoiles noche luna estrella estrellas notte stelle noite lua 夜 月 星空 밤 달 ночь луна
        звезды звёзды ليل 🌃 🌙 🌕 🌠 ⭐ ✨ 🌌
    """,
    "storm": """
        storm stormy thunder thunderstorm lightning rain rainy tempest hurricane dramatic gloomy sturm gewitter regen
        sturmisch orage tempete pluie tormenta lluvia tempesta pioggia tempestade 暴风雨 风暴 嵐 雨 폭풍 비 буря гроза дождь
        عاصفة ⛈ 🌩 🌧 🌪 ☔
    """,
    "mist": """
        mist misty fog foggy haze hazy mystic mystical mysterious cloudy overcast nebel neblig dunst brume brouillard
        niebla bruma nebbia neblina 雾 霧 안개 туман ضباب 🌫 🌁
    """,
    "winter light": """
        winter snowy snowing snowfall schnee neige hiver nieve invierno neve 雪 冬 снег зима ❄ ☃ ⛄ 🎿
    """,
}

THINGS: dict[str, str] = {
    "boat": """
        sail sailing sailboat boat ship yacht segelboot segeln schiff boot voile voilier bateau velero barco barca
        vela 船 帆船 배 лодка яхта ⛵ 🛥 🚤 🚢
    """,
    "lighthouse": """
        lighthouse leuchtturm phare faro farol 灯塔 灯台 등대 маяк
    """,
    "cabin": """
        cabin hut cottage chalet house lodge home hutte haus maison cabane cabana casa 小屋 家 집 дом хижина 🏠 🏡 🛖 🏕
    """,
    "balloon": """
        balloon balloons ballon heissluftballon montgolfiere globo globos mongolfiera balao 气球 気球 풍선 шар 🎈
    """,
    "cactus": """
        cactus cacti kaktus cacto 仙人掌 선인장 кактус 🌵
    """,
    "lake": """
        lake river water reflection lac lago fluss riviere rio 湖 호수 озеро река 🏞
    """,
    "autumn": """
        autumn autumnal october november thanksgiving herbst automne otono autunno outono 秋 가을 осень 🍂 🍁 🎃
    """,
    "ring": """
        ring rings ringed saturn 🪐
    """,
    "cup": """
        coffee tea cup mug espresso cappuccino latte cafe kaffee tee tasse taza tazza cafeteria 咖啡 コーヒー 茶 커피 кофе чай
        ☕ 🍵
    """,
    "bottle": """
        bottle perfume wine serum cosmetics cosmetic skincare lotion cream beauty spa flasche parfum wein bouteille
        vin botella vino bottiglia product 香水 瓶 🍷 🍾 🧴 💄
    """,
    "fruit": """
        fruit fruits food apple orange lemon bowl kitchen breakfast recipe dinner lunch obst essen pomme fruta comida
        frutta 水果 과일 фрукты 🍎 🍊 🍋 🍇 🥗
    """,
    "flower": """
        flower flowers bouquet vase blossom rose tulip florist blume blumen fleur fleurs flor flores fiori 花 꽃 цветы
        ваза 💐 🌹 🌷 🌸 🌺 🏺
    """,
}

MOODS: dict[str, str] = {
    "warm": """
        warm cozy cosy friendly love romantic gemutlich chaleureux calido calida caldo 温暖 暖 тёплый теплый
    """,
    "cool": """
        cool cold chilly fresh crisp kalt kuhl froid frais frio fria freddo 冷 холодный
    """,
    "calm": """
        calm quiet peaceful serene soft gentle pastel dreamy zen relaxing subtle ruhig sanft doux calme tranquilo
        suave calmo 宁静 静か 평화 спокойный 🧘
    """,
    "bold": """
        bold vibrant vivid neon colorful colourful energetic party festival bunt kraftig vif colore colorido vibrante
        鲜艳 яркий 🎉 🌈
    """,
    "dark": """
        dark moody gothic dunkel duster sombre oscuro oscura scuro escuro 暗 黑暗 тёмный темный 🖤
    """,
    "bright": """
        bright light airy cheerful happy joyful hell frohlich lumineux clair luminoso alegre 明亮 светлый 😀 😊
    """,
}

IMPLIED: dict[str, str] = {"flower": "still life", "balloon": "meadow", "autumn": "meadow", "cabin": "mountains"}
"""The scene for a thing whose word names none by itself, when no other word does."""

COLOURS: dict[str, tuple[float, str]] = {
    "red": (
        25.0,
        """
            red crimson scarlet ruby rote roter rotes rouge rojo roja rosso vermelho 红 赤 빨간 красный ❤ 🔴
        """,
    ),
    "orange": (
        55.0,
        """
            orange amber copper naranja arancione laranja 橙 оранжевый 🟠 🧡
        """,
    ),
    "yellow": (
        95.0,
        """
            yellow lemon gelb jaune amarillo amarilla giallo amarelo 黄色 노란 желтый жёлтый 🟡 💛
        """,
    ),
    "green": (
        145.0,
        """
            green emerald olive mint grun grune vert verte verde 绿 緑 초록 зеленый зелёный 🟢 💚
        """,
    ),
    "teal": (
        195.0,
        """
            teal turquoise cyan aqua turkis turquesa turchese 青绿
        """,
    ),
    "blue": (
        250.0,
        """
            blue azure navy indigo cobalt blau blaue bleu bleue azul blu 蓝 青 파란 синий голубой 🔵 💙
        """,
    ),
    "purple": (
        305.0,
        """
            purple violet lavender lilac lila violett pourpre morado morada viola roxo roxa 紫 보라 фиолетовый 🟣 💜
        """,
    ),
    "pink": (
        350.0,
        """
            pink rosy magenta fuchsia rosa rosado 粉 ピンク 분홍 розовый 💗 💖 🌸
        """,
    ),
}
"""Hue in degrees, and the words."""
